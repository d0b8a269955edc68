import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { askHashed } from '../kit/ask.ts'
import { blob, KiB, MiB } from '../kit/blobs.ts'
import { createCanary } from '../kit/canary.ts'
import { describeBlob, described, documentLink, telling } from '../kit/described-blob.ts'
import { until } from '../kit/disk.ts'
import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { startHouseProcess } from '../kit/house-process.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { fetchRight } from '../kit/mirrored-blob.ts'
import { createMirroredWorld } from '../kit/mirrored-world.ts'
import { listenOnFreePort } from '../kit/ports.ts'
import { createRecordedLog } from '../kit/recorded-log.ts'
import { lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(9 * MiB, 'hostile')
const path = `/v2/lab/tool/blobs/${layer.digest}`
const unhurried = { bytesPerSecond: 6 * MiB } // there is time to ask others besides

/** A house with one mirror, which tells of documents; a place that may be dialled; and one that must not be. */
async function hostileWorld() {
  const [elsewhere, canary, log] = [await createFakeUpstream(), await createCanary(), createRecordedLog()]
  const world = await createMirroredWorld([{}], { log, house: { outbound: { allow: [elsewhere.host] } } })
  const [mirror] = world.mirrors as [FakeUpstream]
  for (const place of [world.upstream, mirror, elsewhere]) place.pushBlob('lab/tool', layer)
  const said = (event: string) =>
    log.lines.flatMap(({ event: one, fields }) => (one === event ? [String((fields as { error?: Error }).error?.message)] : []))
  return {
    ...world,
    mirror,
    elsewhere,
    canary,
    said,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]()
      await elsewhere.close()
      await canary[Symbol.asyncDispose]()
    },
  }
}

type HostileWorld = Awaited<ReturnType<typeof hostileWorld>>

/** The blob came whole from the mirror, and nobody was asked who is only named in the document. */
async function expectRefused({ elsewhere, canary, mirror, ...world }: HostileWorld): Promise<void> {
  await fetchRight(world, layer.digest)
  expect([mirror.bodies(layer.digest), world.upstream.bodies(layer.digest)]).toEqual([1, 0])
  expect([elsewhere.requests, canary.connections]).toEqual([[], 0])
}

describe('a document that a mirror tells of is refused, in one line of the log, and nothing in it is asked, when it', () => {
  const levels = Array.from({ length: 10 }, (_, level) => `<!ENTITY e${level + 1} "${`&e${level};`.repeat(10)}">`).join('')
  const afterDeclaration = (text: string, more: string) => text.replace('?>', `?>${more}`)
  const inFile = (text: string, more: string) => text.replace('</size>', `</size>${more}`)

  test.each<[string, (document: string) => string | Buffer, RegExp]>([
    [
      'has entities that would blow up',
      (text) => afterDeclaration(text, `<!DOCTYPE m [<!ENTITY e0 "ha">${levels}]>`).replace('test/1', '&e10;'),
      /DOCTYPE/,
    ],
    [
      'has an entity that is a file of ours',
      (text) => afterDeclaration(text, '<!DOCTYPE m [<!ENTITY e SYSTEM "file:///etc/passwd">]>').replace('test/1', '&e;'),
      /DOCTYPE/,
    ],
    ['has a bare DOCTYPE', (text) => afterDeclaration(text, '<!DOCTYPE metalink>'), /DOCTYPE/],
    ['is longer than a megabyte', (text) => text + ' '.repeat(2 * MiB), /1048576/],
    ['names a file ../x', (text) => text.replace('name="layer"', 'name="../x"'), /file name "\.\.\/x"/],
    ['names a file /etc/passwd', (text) => text.replace('name="layer"', 'name="/etc/passwd"'), /file name "\/etc\/passwd"/],
    ['names ten thousand places', (text) => inFile(text, '<url>https://127.0.0.1:1/x</url>'.repeat(10_000)), /10003 URLs/],
    ['is nested a thousand deep', (text) => inFile(text, '<x>'.repeat(1000) + '</x>'.repeat(1000)), /nested/],
    [
      'has a URL of a hundred thousand characters',
      (text) => inFile(text, `<url>https://127.0.0.1:1/${'x'.repeat(100_000)}</url>`),
      /2048/,
    ],
    [
      'has a million attributes',
      (text) => inFile(text, `<x ${Array.from({ length: 60_000 }, (_, at) => `a${at}=""`).join(' ')}/>`),
      /attributes/,
    ],
    ['is packed, though nobody asked for that', (text) => gzipSync(text), /UTF-8/],
    ['is no metalink', () => '<html xmlns="http://www.w3.org/1999/xhtml"/>', /namespace/],
    ['breaks off', (text) => text.slice(0, -20), /well-formed/],
  ])('%s', async (_, spoil, why) => {
    await using world = await hostileWorld()
    const places = [world.at(0, layer.digest), `${world.elsewhere.url}${path}`, `https://${world.canary.host}/x`]
    telling(world.mirror, layer.digest, spoil(describeBlob(layer, places)))
    await expectRefused(world)
    expect(world.said('fill.discover')).toEqual([expect.stringMatching(why)])
  })

  test('is right, for comparison, the place in it is asked', async () => {
    await using world = await hostileWorld()
    telling(world.mirror, layer.digest, describeBlob(layer, [`${world.elsewhere.url}${path}`]), unhurried)
    await fetchRight(world, layer.digest)
    expect(world.elsewhere.bodies(layer.digest)).toBeGreaterThan(0)
    expect(world.said('fill.discover')).toEqual([])
  })
})

const forbidden: readonly [string, (port: number) => string][] = [
  ['a file', () => 'file:///etc/passwd'],
  ['FTP', (port) => `ftp://127.0.0.1:${port}/x`],
  ['the cloud’s own address', () => 'https://169.254.169.254/latest/meta-data'],
  ['the same in clear text', () => 'http://169.254.169.254/latest/meta-data'],
  ['loopback', (port) => `https://127.0.0.1:${port}/x`],
  ['loopback in clear text', (port) => `http://127.0.0.1:${port}/x`],
  ['loopback as one number', (port) => `https://2130706433:${port}/x`],
  ['loopback inside an IPv6 address', (port) => `https://[::ffff:127.0.0.1]:${port}/x`],
  ['a name that means loopback', (port) => `https://localhost:${port}/x`],
  ['a user and password', (port) => `https://user:secret@localhost:${port}/x`],
]
const ways = [0, 2, 4, 8].map((at) => forbidden[at]!) // one of each kind

describe('a place that must not be dialled gets no connection and does no harm:', () => {
  test.each(forbidden)('%s, named in a document', async (_, url) => {
    await using world = await hostileWorld()
    const places = [world.at(0, layer.digest), `${world.elsewhere.url}${path}`]
    const document = describeBlob(layer, places).replace('</size>', `</size><url priority="1">${url(world.canary.port)}</url>`)
    telling(world.mirror, layer.digest, document, unhurried)
    await fetchRight(world, layer.digest)
    expect(world.canary.connections).toBe(0)
    expect(world.elsewhere.bodies(layer.digest)).toBeGreaterThan(0) // the others in it are asked all the same
    const told = [...world.said('fill.source'), ...world.said('discover.passed-over')]
    expect(told).toHaveLength(1)
    expect(told.join()).not.toContain('secret')
  })

  test.each(ways)('%s, named in a Link field', async (_, url) => {
    await using world = await hostileWorld()
    const link = `<${url(world.canary.port)}>; rel=duplicate; pri=1`
    // It breaks off, so that another place has to be asked.
    world.mirror.fault({ path: layer.digest, method: 'GET' }, { headers: { link }, cutAfter: 2 * MiB })
    await fetchRight(world, layer.digest)
    expect(world.canary.connections).toBe(0)
  })

  test.each(ways.slice(1))('%s, said to be where the document is', async (_, url) => {
    await using world = await hostileWorld()
    world.mirror.fault({ path: layer.digest, method: 'GET' }, { headers: { link: documentLink(url(world.canary.port)) } })
    await expectRefused(world)
  })

  test.each(ways)('%s, where the document is redirected to', async (_, url) => {
    await using world = await hostileWorld()
    telling(world.mirror, layer.digest, '')
    world.mirror.fault({ path: described }, { status: 307, headers: { location: url(world.canary.port) } })
    await expectRefused(world)
    expect(world.said('fill.discover')).toHaveLength(1)
  })

  test.each(ways)('%s, where a place of the document redirects to', async (_, url) => {
    await using world = await hostileWorld()
    telling(world.mirror, layer.digest, describeBlob(layer, [`${world.elsewhere.url}${path}`]), unhurried)
    world.elsewhere.fault({ path: layer.digest }, { status: 302, headers: { location: url(world.canary.port) } })
    await fetchRight(world, layer.digest)
    expect(world.elsewhere.count({ method: 'GET' })).toBe(1)
    expect(world.canary.connections).toBe(0)
    expect(world.said('fill.source')).toHaveLength(1)
  })
})

test('a document that redirects for ever is given up', async () => {
  await using world = await hostileWorld()
  telling(world.mirror, layer.digest, '')
  world.mirror.fault({ path: described }, { status: 307, headers: { location: described } })
  await expectRefused(world)
  expect(world.mirror.count({ path: described })).toBeLessThanOrEqual(9)
  expect(world.said('fill.discover')).toEqual([expect.stringContaining('redirects')])
})

test('a document is not read on behalf of a place that another document named', async () => {
  await using world = await hostileWorld()
  telling(world.mirror, layer.digest, describeBlob(layer, [`${world.elsewhere.url}${path}`]), unhurried)
  telling(world.elsewhere, layer.digest, describeBlob(layer, [`https://${world.canary.host}/x`]))
  await fetchRight(world, layer.digest)
  expect(world.elsewhere.bodies(layer.digest)).toBeGreaterThan(0)
  expect(world.elsewhere.count({ path: described })).toBe(0)
})

test('a document that never ends is let go once the blob is there', async () => {
  await using world = await hostileWorld()
  telling(world.mirror, layer.digest, '')
  world.mirror.fault({ path: described }, { status: 200, body: ' '.repeat(200 * KiB), drip: { bytes: 10, everyMs: 20 } })
  await fetchRight(world, layer.digest)
  const reading = () => world.mirror.requests.some(({ path: one, isOver }) => one === described && !isOver)
  await until(() => !reading(), 'the document is let go')
})

/** Sends a hundred megabytes of a document, and counts how many of them somebody took. */
async function createFlood(withLength: boolean) {
  const size = 100_000_000
  const chunk = Buffer.alloc(64 * KiB, '<a>')
  let sent = 0
  const server = createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'application/metalink4+xml', ...(withLength && { 'content-length': size }) })
    const pour = (): void => {
      while (sent < size && !response.destroyed) {
        const part = chunk.subarray(0, size - sent)
        sent += part.length
        if (!response.write(part)) return void response.once('drain', pour)
      }
      response.end()
    }
    request.resume()
    pour()
  })
  const port = await listenOnFreePort(server, '127.0.0.1')
  return {
    host: `127.0.0.1:${port}`,
    get sent() {
      return sent
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((closed) => server.close(() => closed()))
    },
  }
}

/** The most memory a process ever had since the mark, in bytes. */
const memory = {
  mark: (pid: number) => writeFile(`/proc/${pid}/clear_refs`, '5'),
  async peak(pid: number): Promise<number> {
    const [, kilobytes] = /VmHWM:\s*(\d+) kB/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))!
    return Number(kilobytes) * KiB
  },
}

test.each([
  ['that says so', true],
  ['that does not say so', false],
])('a document of a hundred megabytes %s is left after the first, and takes no memory to speak of', async (_, withLength) => {
  await using flood = await createFlood(withLength)
  await using upstream = await createFakeUpstream()
  const before = blob(9 * MiB, 'before the flood')
  upstream.pushBlob('lab/tool', layer, before)
  await using house = await startHouseProcess({
    upstreams: { [lab]: { url: upstream.url } },
    defaults: { oci: lab },
    outbound: { allow: [flood.host] },
  })
  const get = (digest: string) => askHashed(urlsOf(house.url).blob('lab/tool', digest))
  expect((await get(before.digest)).sha256).toBe(before.digest)
  await memory.mark(house.pid)
  const usual = await memory.peak(house.pid)
  const link = documentLink(`http://${flood.host}/x.meta4`)
  upstream.fault({ path: layer.digest, method: 'GET' }, { headers: { link }, bytesPerSecond: 4 * MiB })
  expect((await get(layer.digest)).sha256).toBe(layer.digest)
  await until(() => house.output().includes('fill.discover'), 'the refusal in the log')
  expect(house.output().match(/"fill\.discover".*/)![0]).toContain('1048576')
  expect(flood.sent).toBeGreaterThan(0)
  expect(flood.sent).toBeLessThan(16 * MiB) // most of it in buffers of the kernel
  expect((await memory.peak(house.pid)) - usual).toBeLessThan(48 * MiB)
})
