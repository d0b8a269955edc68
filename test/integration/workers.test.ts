import { writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { hashSync } from 'bcryptjs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { mostFailures } from '../../src/access/attempts.ts'
import { basic } from '../kit/access-world.ts'
import { ask, askHashed, open, type Reply } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { isRunning } from '../kit/children.ts'
import { startCommand } from '../kit/command.ts'
import { until, untilHeld } from '../kit/disk.ts'
import { connectH2 } from '../kit/h2.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { deadPort } from '../kit/ports.ts'
import { tlsFiles, trustedAuthorities } from '../kit/tls.ts'
import { createWorkersWorld, type WorkersWorld, workerCount, workerOf } from '../kit/workers-world.ts'
import { lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

let world: WorkersWorld
beforeEach(async () => {
  world = await createWorkersWorld()
})
afterEach(() => world[Symbol.asyncDispose]())

const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ family }) => family === 'IPv6'))

describe('two processes that speak to clients', () => {
  test('share one fill, what is held, and what is counted', async () => {
    const { url } = await world.start()
    const layer = blob(12 * MiB, 'shared')
    world.upstream.pushBlob('lab/tool', layer)
    const at = urlsOf(url).blob('lab/tool', layer.digest)
    const gate = world.upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(8 * MiB)
    const readers = await Promise.all(Array.from({ length: 20 }, () => open(at)))
    await Promise.all(readers.map((reader) => reader.atLeast(7 * MiB)))
    gate.open()
    const answers = await Promise.all(readers.map((reader) => reader.rest()))
    expect(new Set(answers.map(({ sha256, end }) => `${end} ${sha256}`))).toEqual(new Set([`clean ${layer.digest}`]))
    expect(new Set(readers.map(workerOf)).size).toBe(workerCount)
    expect([world.upstream.bodies(layer.digest), world.upstream.bytesSent(layer.digest)]).toEqual([1, layer.bytes.length])
    await untilHeld(world.folder.path, layer.digest)
    const hits = await Promise.all(Array.from({ length: 10 }, () => askHashed(at)))
    expect(new Set(hits.map(({ sha256, headers }) => `${sha256} ${headers['cache-status']}`))).toEqual(
      new Set([`${layer.digest} forebay; hit`]),
    )
    const range = await ask(at, { headers: { range: `bytes=${5 * MiB}-${5 * MiB + 9}` } })
    expect(range.body.equals(layer.bytes.subarray(5 * MiB, 5 * MiB + 10))).toBe(true)
    // They are asked what they count, and not waited for longer than a moment.
    await expect.poll(() => world.house.metric('edge_requests_total', { route: 'blob' })).toBe(31)
    await expect.poll(() => world.house.metric('edge_client_bytes_total')).toBe(30 * layer.bytes.length + 10)
  })

  test('neither gives what was removed, though both had it in memory', async () => {
    const { url } = await world.start()
    const tool = image({ seed: 'gone' })
    world.upstream.push('lab/tool', tool, 'v1')
    const at = urlsOf(url).manifest('lab/tool', tool.manifest.digest)
    const outcomes = async () => {
      const replies: Reply[] = []
      // A connection goes to the one that is known to have fewer, and of those that ended it is told a moment later.
      while (new Set(replies.map(workerOf)).size < workerCount)
        replies.push(...(await Promise.all(Array.from({ length: 8 }, () => ask(at)))))
      expect(new Set(replies.map(({ sha256 }) => sha256))).toEqual(new Set([tool.manifest.digest]))
      return new Set(replies.map(({ headers }) => headers['cache-status']))
    }
    await outcomes()
    for (let round = 0; round < 2; round++) expect(await outcomes()).toEqual(new Set(['forebay; hit']))
    const asked = world.upstream.requests.length
    const removal = await startCommand(['rm', `${lab}/lab/tool@${tool.manifest.digest}`], {
      FOREBAY_CONFIG: world.house.settingsFile,
    }).ended
    expect(removal.code).toBe(0)
    // The command was answered by another process than those, which hear of it on their own way.
    const isAsked = async () => {
      await outcomes()
      return world.upstream.requests.length > asked
    }
    await until(isAsked, 'its upstream is asked again')
  })

  test('hold to the limits of one client together', async () => {
    const { url } = await world.start({ limits: { requestsPerClient: 3 } })
    world.upstream.push('lab/tool', image(), 'v1')
    const gate = world.upstream.hold({ path: /manifests/ })
    const at = urlsOf(url).manifest('lab/tool', 'v1')
    const running = [ask(at), ask(at), ask(at)]
    await gate.arrived()
    await until(async () => (await world.house.metric('edge_requests_open')) === 3, 'three are being answered')
    expect((await ask(at)).status).toBe(429)
    gate.open()
    expect((await Promise.all(running)).map(({ status }) => status)).toEqual([200, 200, 200])
  })

  test('count failed logins together, also past new settings', async () => {
    const file = join(world.folder.path, 'htpasswd')
    await writeFile(file, `alice:${hashSync('open-sesame', 4)}\n`)
    const access = { access: { users: { file }, anonymous: 'none' } }
    const { url } = await world.start(access)
    let guesses = 0
    const guess = () => ask(`${url}/v2/`, { headers: { authorization: basic('alice', `guess-${guesses++}`) } })
    const wrong: Reply[] = []
    for (let more = true; more; ) {
      const replies = await Promise.all([guess(), guess()])
      more = replies.every(({ status }) => status === 401) && guesses < 60
      wrong.push(...replies.filter(({ status }) => status === 401))
    }
    expect(new Set(wrong.map(workerOf)).size).toBe(workerCount)
    expect(wrong.length).toBeGreaterThanOrEqual(mostFailures)
    expect(wrong.length).toBeLessThan(mostFailures + workerCount)
    await world.house.reload(world.settings(access))
    expect(new Set((await Promise.all(Array.from({ length: 8 }, guess))).map(({ status }) => status))).toEqual(new Set([429]))
  })

  test.skipIf(!hasIPv6)('know a client by the same address at every listener', async () => {
    const ports = [await deadPort(), await deadPort()] as const
    const listen = [
      { host: '127.0.0.1', port: ports[0] },
      { host: '::', port: ports[1] },
    ]
    await world.start({ listen, limits: { requestsPerClient: 3 } }, { port: ports[0] })
    const clients = Array.from({ length: 12 }, (_, at) => `127.0.0.${at + 1}`)
    const whoAnswers = (port: number) =>
      Promise.all(clients.map(async (from) => workerOf(await ask(`http://127.0.0.1:${port}/v2/`, { from }))))
    const plain = await whoAnswers(ports[0])
    expect(new Set(plain).size).toBe(workerCount)
    expect(await whoAnswers(ports[1])).toEqual(plain)
  })

  test('take new settings while downloads run', async () => {
    const { url } = await world.start()
    const layer = blob(8 * MiB, 'running')
    world.upstream.pushBlob('lab/tool', layer)
    const at = urlsOf(url).blob('lab/tool', layer.digest)
    const gate = world.upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(2 * MiB)
    const readers = await Promise.all(Array.from({ length: 20 }, () => open(at)))
    await world.house.reload(world.settings({ access: { anonymous: 'none' } }))
    const refusals = async () =>
      (await Promise.all(Array.from({ length: 6 }, () => ask(`${url}/v2/`)))).map(({ status }) => status)
    await until(async () => (await refusals()).every((status) => status === 401), 'nobody is let in')
    gate.open()
    for (const reader of readers) expect(await reader.rest()).toMatchObject({ end: 'clean', sha256: layer.digest })
  })

  test('end with what they serve when the server is told to stop', async () => {
    const { url } = await world.start({ drainTimeout: '50s' })
    const layer = blob(8 * MiB, 'stopping')
    world.upstream.pushBlob('lab/tool', layer)
    const gate = world.upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(2 * MiB)
    const readers = await Promise.all(Array.from({ length: 6 }, () => open(urlsOf(url).blob('lab/tool', layer.digest))))
    await Promise.all(readers.map((reader) => reader.atLeast(MiB)))
    const workers = await world.pids()
    expect(workers).toHaveLength(workerCount)
    const over = world.house.kill('SIGTERM')
    await until(async () => (await ask(`${url}/healthz`).catch(() => undefined)) === undefined, 'it takes no more')
    gate.open()
    for (const reader of readers) expect(await reader.rest()).toMatchObject({ end: 'clean', sha256: layer.digest })
    expect(await over).toBe(0)
    expect(workers.filter(isRunning)).toEqual([])
  })

  test('speak TLS and HTTP/2, and answer who has said all and half closed', async () => {
    const ports = [await deadPort(), await deadPort()] as const
    const tls = { ...tlsFiles('server') }
    await world.start(
      {
        listen: [
          { host: '127.0.0.1', port: ports[0] },
          { host: '127.0.0.1', port: ports[1], tls },
        ],
      },
      { port: ports[0] },
    )
    const tool = image({ seed: 'tls', layers: [3 * MiB] })
    world.upstream.push('lab/tool', tool, 'v1')
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
