import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { ask, askPatiently } from '../kit/ask.ts'
import { blob, KiB, MiB } from '../kit/blobs.ts'
import { blobsOn, untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import type { FakeUpstreamOptions } from '../kit/fake-upstream.ts'
import { createHurriedClock } from '../kit/hurried-clock.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import type { Fault } from '../kit/upstream/rules.ts'
import { createWorld, type World } from '../kit/world.ts'

expectNoLeaks()

const layers = [
  { name: 'a large blob', layer: blob(3 * MiB, 'length') },
  { name: 'a small blob', layer: blob(100 * KiB, 'length') },
]

/** A GET by HTTP/1.0, and how the connection ended. */
function askOld(host: string, path: string): Promise<{ text: string; end: 'closed' | 'reset' }> {
  const { hostname, port } = new URL(`http://${host}`)
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let end: 'closed' | 'reset' = 'closed'
    const socket = connect(Number(port), hostname)
    socket.on('data', (chunk: Buffer) => chunks.push(chunk))
    socket.on('error', () => (end = 'reset'))
    socket.once('close', () => resolve({ text: Buffer.concat(chunks).toString('latin1'), end }))
    socket.write(`GET ${path} HTTP/1.0\r\n\r\n`)
  })
}

async function expectRightNextTime(world: World, digest: string): Promise<void> {
  world.upstream.heal()
  expect(await askPatiently(world.blob('lab/tool', digest))).toMatchObject({ status: 200, sha256: digest, end: 'clean' })
  await untilHeld(world.house.storePath, digest)
  expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
}

describe.each(layers)('$name whose upstream lies about its length', ({ layer }) => {
  const lies: readonly { name: string; where: 'everywhere' | 'in GET'; fault: Fault }[] = [
    { name: 'too long in the GET', where: 'in GET', fault: { lengthBy: 10 } },
    { name: 'too long everywhere', where: 'everywhere', fault: { lengthBy: 10 } },
    { name: 'too short in the GET', where: 'in GET', fault: { lengthBy: -10 } },
    { name: 'too short everywhere', where: 'everywhere', fault: { lengthBy: -10 } },
  ]

  test.each(lies)('$name: no client gets a clean end with wrong bytes, and nothing is kept', async ({ where, fault }) => {
    await using world = await createWorld()
    world.upstream.pushBlob('lab/tool', layer)
    world.upstream.fault(where === 'in GET' ? { path: '/blobs/', method: 'GET' } : { path: '/blobs/' }, fault)
    const reply = await ask(world.blob('lab/tool', layer.digest))
    if (reply.status === 200) expect(reply.end === 'cut' || reply.sha256 === layer.digest).toBe(true)
    else expect(reply.status).toBe(502)
    expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
    await expectRightNextTime(world, layer.digest)
  })

  test('against its manifest is refused with 502', async () => {
    await using world = await createWorld()
    const tool = image({ seed: 'length', layers: [layer.bytes.length] })
    world.upstream.push('lab/tool', tool, 'v1')
    await ask(world.manifest('lab/tool', 'v1'))
    const { digest } = tool.blobs[1]!
    world.upstream.fault({ path: '/blobs/' }, { lengthBy: 10 })
    const reply = await ask(world.blob('lab/tool', digest))
    expect([reply.status, reply.end]).toEqual([502, 'clean'])
    expect(await blobsOn(world.house.storePath)).toEqual([tool.manifest.digest])
    await expectRightNextTime(world, digest)
  })
})

describe.each(layers)('$name whose upstream does not say its length', ({ layer }) => {
  const headless: FakeUpstreamOptions = { ranges: false, etags: 'none' }

  async function silentWorld(length: 'chunked' | 'close', more: Fault = {}): Promise<World> {
    const world = await createWorld({ upstream: headless, clock: createHurriedClock(20) })
    world.upstream.pushBlob('lab/tool', layer)
    world.upstream.fault({ path: '/blobs/', method: 'HEAD' }, { headers: { 'content-length': undefined } })
    world.upstream.fault({ path: '/blobs/', method: 'GET' }, { length, ...more })
    return world
  }

  test.each(['chunked', 'close'] as const)('(%s) comes whole and right', async (length) => {
    await using world = await silentWorld(length)
    const reply = await ask(world.blob('lab/tool', layer.digest))
    expect(reply).toMatchObject({ status: 200, sha256: layer.digest, end: 'clean' })
    await untilHeld(world.house.storePath, layer.digest)
    const again = await ask(world.blob('lab/tool', layer.digest))
    expect(again.headers['content-length']).toBe(String(layer.bytes.length))
  })

  test('is given by ranges too, or whole where no range can be known', async () => {
    await using world = await silentWorld('chunked')
    const url = world.blob('lab/tool', layer.digest)
    for (const headers of [{ range: 'bytes=10-19' }, { range: 'bytes=-5' }, { range: 'bytes=50-' }]) {
      const reply = await ask(url, { headers })
      const [from, to] = /^bytes (\d+)-(\d+)\//.exec(String(reply.headers['content-range']))?.slice(1).map(Number) ?? [
        0,
        layer.bytes.length - 1,
      ]
      expect([headers.range, reply.status, reply.end]).toEqual([
        headers.range,
        reply.headers['content-range'] ? 206 : 200,
        'clean',
      ])
      expect([headers.range, reply.body.equals(layer.bytes.subarray(from, to! + 1))]).toEqual([headers.range, true])
    }
  })

  test('over HTTP/1.0, where only a reset tells, is right or reset', async () => {
    await using world = await silentWorld('chunked', { flipAt: 50 })
    const { pathname } = new URL(world.blob('lab/tool', layer.digest))
    const connection = await askOld(world.house.host, pathname)
    expect(connection.end === 'reset' || /^HTTP\/1\.1 502/.test(connection.text)).toBe(true)
    world.upstream.heal()
    world.upstream.fault({ path: '/blobs/', method: 'GET' }, { length: 'chunked' })
    const again = await askOld(world.house.host, pathname)
    expect([again.end, again.text.endsWith(layer.bytes.toString('latin1'))]).toEqual(['closed', true])
  })

  test('and whose bytes are wrong never has a clean end', async () => {
    await using world = await silentWorld('chunked', { flipAt: 50 })
    const reply = await ask(world.blob('lab/tool', layer.digest))
    expect(reply.status === 502 || reply.end === 'cut').toBe(true)
    expect(await blobsOn(world.house.storePath)).toEqual([])
    await expectRightNextTime(world, layer.digest)
  })

  test('and which is cut midway never has a clean end short of the whole', async () => {
    await using world = await silentWorld('chunked', { cutAfter: layer.bytes.length - 1000 })
    const reply = await ask(world.blob('lab/tool', layer.digest))
    expect(reply.status !== 200 || reply.end === 'cut').toBe(true)
    await expectRightNextTime(world, layer.digest)
  })
})
