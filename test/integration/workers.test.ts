import { connect } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ask, askHashed, open } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { childrenOf, isRunning, openOf } from '../kit/children.ts'
import { startCommand } from '../kit/command.ts'
import { until, untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { connectH2 } from '../kit/h2.ts'
import type { HouseSettings } from '../kit/house.ts'
import { type HouseProcess, type ProcessSettings, startHouseProcess } from '../kit/house-process.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { deadPort } from '../kit/ports.ts'
import { type TempFolder, tempFolder } from '../kit/temp-folder.ts'
import { tlsFiles, trustedAuthorities } from '../kit/tls.ts'
import { lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const count = 2
let upstream: FakeUpstream
let folder: TempFolder
let house: HouseProcess | undefined
beforeEach(async () => {
  upstream = await createFakeUpstream()
  folder = await tempFolder()
})
afterEach(async () => {
  await house?.stop()
  house = undefined
  await upstream.close()
  await folder[Symbol.asyncDispose]()
})

const settings = (more: HouseSettings['more'] = {}): HouseSettings => ({
  upstreams: { [lab]: { url: upstream.url, freshFor: '1h' } },
  defaults: { oci: lab },
  storePath: folder.path,
  more,
})

async function start(more: HouseSettings['more'] = {}, rest: Partial<ProcessSettings> = {}): Promise<HouseProcess> {
  house = await startHouseProcess({ ...settings(more), ...rest, args: ['--workers', String(count)] })
  const { url } = house
  // Where limits are of one client, one process answers it.
  if (!more?.limits) await until(async () => (await answering(`${url}/v2/`)) === count, 'all of them answer')
  return house
}

/** The process that answered, by its own part of a request's id. */
const workerOf = ({ headers }: { readonly headers: Readonly<Record<string, unknown>> }) =>
  String(headers['x-request-id']).split('-')[0]

async function answering(url: string): Promise<number> {
  const replies = await Promise.all(Array.from({ length: 2 * count }, () => ask(url)))
  return new Set(replies.map(workerOf)).size
}

const workersOf = async ({ pid }: HouseProcess) => childrenOf(pid)

/** Kills the process that answers this reply. */
async function killOne(house: HouseProcess): Promise<number> {
  const [first] = await workersOf(house)
  process.kill(first!, 'SIGKILL')
  await until(() => !isRunning(first!), 'it is gone')
  return first!
}

describe('two processes that speak to clients', () => {
  test('share one fill, what is held, and what is counted', async () => {
    const { url } = await start()
    const layer = blob(12 * MiB, 'shared')
    upstream.pushBlob('lab/tool', layer)
    const at = urlsOf(url).blob('lab/tool', layer.digest)
    const gate = upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(8 * MiB)
    const readers = await Promise.all(Array.from({ length: 20 }, () => open(at)))
    await Promise.all(readers.map((reader) => reader.atLeast(7 * MiB)))
    gate.open()
    const answers = await Promise.all(readers.map((reader) => reader.rest()))
    expect(new Set(answers.map(({ sha256, end }) => `${end} ${sha256}`))).toEqual(new Set([`clean ${layer.digest}`]))
    expect(new Set(readers.map(workerOf)).size).toBe(count)
    expect([upstream.bodies(layer.digest), upstream.bytesSent(layer.digest)]).toEqual([1, layer.bytes.length])
    await untilHeld(folder.path, layer.digest)
    const hits = await Promise.all(Array.from({ length: 10 }, () => askHashed(at)))
    expect(new Set(hits.map(({ sha256, headers }) => `${sha256} ${headers['cache-status']}`))).toEqual(
      new Set([`${layer.digest} forebay; hit`]),
    )
    const range = await ask(at, { headers: { range: `bytes=${5 * MiB}-${5 * MiB + 9}` } })
    expect(range.body.equals(layer.bytes.subarray(5 * MiB, 5 * MiB + 10))).toBe(true)
    expect(await house!.metric('edge_requests_total', { route: 'blob' })).toBe(31)
    expect(await house!.metric('edge_client_bytes_total')).toBe(30 * layer.bytes.length + 10)
  })

  test('neither gives what was removed, though both had it in memory', async () => {
    const { url } = await start()
    const tool = image({ seed: 'gone' })
    upstream.push('lab/tool', tool, 'v1')
    const at = urlsOf(url).manifest('lab/tool', tool.manifest.digest)
    const outcomes = async () => {
      const replies = await Promise.all(Array.from({ length: 8 }, () => ask(at)))
      expect(new Set(replies.map(({ sha256 }) => sha256))).toEqual(new Set([tool.manifest.digest]))
      expect(new Set(replies.map(workerOf)).size).toBe(count)
      return new Set(replies.map(({ headers }) => headers['cache-status']))
    }
    await outcomes()
    for (let round = 0; round < 2; round++) expect(await outcomes()).toEqual(new Set(['forebay; hit']))
    const asked = upstream.requests.length
    const removal = await startCommand(['rm', `${lab}/lab/tool@${tool.manifest.digest}`], { FOREBAY_CONFIG: house!.settingsFile })
      .ended
    expect(removal.code).toBe(0)
    // The command was answered by another process than those, which hear of it on their own way.
    const isAsked = async () => {
      await outcomes()
      return upstream.requests.length > asked
    }
    await until(isAsked, 'its upstream is asked again', 2_000)
  })

  test('hold to the limits of one client together', async () => {
    const { url } = await start({ limits: { requestsPerClient: 3 } })
    upstream.push('lab/tool', image(), 'v1')
    const gate = upstream.hold({ path: /manifests/ })
    const at = urlsOf(url).manifest('lab/tool', 'v1')
    const running = [ask(at), ask(at), ask(at)]
    await gate.arrived()
    await until(async () => (await house!.metric('edge_requests_open')) === 3, 'three are being answered')
    expect((await ask(at)).status).toBe(429)
    gate.open()
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200, 200])
  })

  test('take new settings while downloads run', async () => {
    const { url } = await start()
    const layer = blob(8 * MiB, 'running')
    upstream.pushBlob('lab/tool', layer)
    const at = urlsOf(url).blob('lab/tool', layer.digest)
    const gate = upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(2 * MiB)
    const readers = await Promise.all(Array.from({ length: 20 }, () => open(at)))
    await house!.reload(settings({ access: { anonymous: 'none' } }))
    const refusals = async () =>
      (await Promise.all(Array.from({ length: 6 }, () => ask(`${url}/v2/`)))).map(({ status }) => status)
    await until(async () => (await refusals()).every((status) => status === 401), 'nobody is let in')
    gate.open()
    for (const reader of readers) expect(await reader.rest()).toMatchObject({ end: 'clean', sha256: layer.digest })
  })

  test('end with what they serve when the server is told to stop', async () => {
    const { url } = await start()
    const layer = blob(8 * MiB, 'stopping')
    upstream.pushBlob('lab/tool', layer)
    const gate = upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(2 * MiB)
    const readers = await Promise.all(Array.from({ length: 6 }, () => open(urlsOf(url).blob('lab/tool', layer.digest))))
    await Promise.all(readers.map((reader) => reader.atLeast(MiB)))
    const workers = await workersOf(house!)
    expect(workers).toHaveLength(count)
    const over = house!.kill('SIGTERM')
    await until(async () => (await ask(`${url}/healthz`).catch(() => undefined)) === undefined, 'it takes no more')
    gate.open()
    for (const reader of readers) expect(await reader.rest()).toMatchObject({ end: 'clean', sha256: layer.digest })
    expect(await over).toBe(0)
    expect(workers.filter(isRunning)).toEqual([])
  })

  test('speak TLS and HTTP/2, and answer who has said all and half closed', async () => {
    const ports = [await deadPort(), await deadPort()] as const
    const tls = { ...tlsFiles('server') }
    await start(
      {
        listen: [
          { host: '127.0.0.1', port: ports[0] },
          { host: '127.0.0.1', port: ports[1], tls },
        ],
      },
      { port: ports[0] },
    )
    const tool = image({ seed: 'tls', layers: [3 * MiB] })
    upstream.push('lab/tool', tool, 'v1')
    const secure = `https://127.0.0.1:${ports[1]}`
    expect(await ask(urlsOf(secure).manifest('lab/tool', 'v1'))).toMatchObject({ status: 200, sha256: tool.manifest.digest })
    await using client = await connectH2(secure, { ca: trustedAuthorities() })
    expect(await client.ask(new URL(urlsOf(secure).blob('lab/tool', tool.blobs[1]!.digest)).pathname)).toMatchObject({
      status: 200,
      sha256: tool.blobs[1]!.digest,
    })
    const socket = connect(ports[0], '127.0.0.1')
    const text = new Promise<string>((resolve) => {
      let text = ''
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1')
      })
      socket.once('close', () => resolve(text))
    })
    socket.end('GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    expect(await text).toMatch(/^HTTP\/1\.1 200 OK[\s\S]*ready\n$/)
  })
})

describe('a process that is killed', () => {
  test('takes its own connections with it, and neither the fill nor those of the other; another one takes its place', async () => {
    const { url } = await start()
    const layer = blob(12 * MiB, 'killed')
    upstream.pushBlob('lab/tool', layer)
    const at = urlsOf(url).blob('lab/tool', layer.digest)
    const gate = upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(8 * MiB)
    const readers = await Promise.all(Array.from({ length: 12 }, () => open(at)))
    await Promise.all(readers.map((reader) => reader.atLeast(7 * MiB)))
    const killed = await killOne(house!)
    gate.open()
    const answers = await Promise.all(readers.map((reader) => reader.rest()))
    const whole = answers.filter(({ end, sha256 }) => end === 'clean' && sha256 === layer.digest)
    const cut = answers.filter(({ end }) => end === 'cut')
    expect([whole.length, cut.length]).toEqual([6, 6])
    for (const { body } of cut) {
      const rest = await ask(at, { headers: { range: `bytes=${body.length}-` } })
      expect(Buffer.concat([body, rest.body]).equals(layer.bytes)).toBe(true)
    }
    expect([upstream.bodies(layer.digest), upstream.bytesSent(layer.digest)]).toEqual([1, layer.bytes.length])
    await until(async () => (await workersOf(house!)).length === count, 'there are as many as before')
    expect(await workersOf(house!)).not.toContain(killed)
    await until(
      async () => new Set((await Promise.all(Array.from({ length: 6 }, () => ask(at)))).map(workerOf)).size === count,
      'both answer',
    )
    expect(house!.output()).toContain('"event":"worker.died"')
  })

  test('leaves the connections that had not reached it yet to the other', async () => {
    const { url, pid } = await start()
    const workers = await childrenOf(pid)
    for (const worker of workers) process.kill(worker, 'SIGSTOP')
    const before = (await openOf(pid)).length
    const asking = Promise.all(Array.from({ length: 20 }, () => ask(`${url}/v2/`).catch(() => undefined)))
    await until(async () => (await openOf(pid)).length >= before + 10, 'they are being accepted')
    process.kill(workers[0]!, 'SIGKILL')
    process.kill(workers[1]!, 'SIGCONT')
    const replies = (await asking).filter((reply) => reply !== undefined)
    expect(replies.length).toBeGreaterThanOrEqual(19) // one may have been on its way
    for (const { status } of replies) expect(status).toBe(200)
  })

  test('when it is the one that has the house, the others end too, and the next server goes on where it was', async () => {
    const { url } = await start()
    const layer = blob(40 * MiB, 'master')
    upstream.pushBlob('lab/tool', layer)
    const gate = upstream.hold({ path: '/blobs/', method: 'GET', nth: 1 })
    gate.release(32 * MiB)
    const reader = await open(urlsOf(url).blob('lab/tool', layer.digest))
    await reader.atLeast(31 * MiB)
    const workers = await workersOf(house!)
    await house!.kill('SIGKILL')
    const { end, body } = await reader.rest()
    expect([end, body.equals(layer.bytes.subarray(0, body.length))]).toEqual(['cut', true])
    await until(() => workers.every((pid) => !isRunning(pid)), 'all are gone')
    const next = await start()
    expect(await ask(urlsOf(next.url).blob('lab/tool', layer.digest))).toMatchObject({
      status: 200,
      sha256: layer.digest,
      end: 'clean',
    })
    await untilHeld(folder.path, layer.digest)
    expect(upstream.bytesSent(layer.digest)).toBeLessThan(1.25 * layer.bytes.length)
    expect(await wrongBlobsOn(folder.path)).toEqual([])
  })
})
