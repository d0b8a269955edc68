import { createHash } from 'node:crypto'
import { constants } from 'node:http2'
import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { blob } from '../kit/blobs.ts'
import { until } from '../kit/disk.ts'
import { connectH2 } from '../kit/h2.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createMirroredWorld } from '../kit/mirrored-world.ts'
import { tlsFiles } from '../kit/tls.ts'
import { createWorld, type World, type WorldOptions } from '../kit/world.ts'

expectNoLeaks()

const MiB = 1024 * 1024

function secure(
  tls: Readonly<Record<string, unknown>> = {},
  more: Readonly<Record<string, unknown>> = {},
): WorldOptions['house'] {
  return { more: { listen: { host: '127.0.0.1', port: 0, tls: { ...tlsFiles('server'), ...tls } }, ...more } }
}

/** What a header says of the answer, rather than of the moment or the connection. */
function told(headers: object): object {
  const others = [':status', 'connection', 'keep-alive', 'date', 'x-request-id', 'cache-status']
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !others.includes(name)))
}

function pathOf(url: string): string {
  return new URL(url).pathname
}

/** Settles once nobody is being answered, over this or any other connection. */
async function untilQuiet(world: World): Promise<void> {
  await until(async () => (await world.house.metric('edge_requests_open')) === 0, 'nobody is answered', 20_000)
}

describe('over HTTP/2', () => {
  test('a pull is as it is over HTTP/1.1: the same bytes, the same fields', async () => {
    await using world = await createWorld({ house: secure() })
    const tool = image({ layers: [3 * MiB] })
    const [config, layer] = tool.blobs
    world.upstream.push('lab/tool', tool, 'v1')
    await using client = await connectH2(world.house.url)
    expect(client.session.alpnProtocol).toBe('h2')
    for (const url of [
      world.manifest('lab/tool', 'v1'),
      world.manifest('lab/tool', tool.manifest.digest),
      world.blob('lab/tool', config!.digest),
      world.blob('lab/tool', layer!.digest),
      `${world.house.url}/v2/`,
      `${world.house.url}/healthz`,
    ]) {
      await ask(url) // so that both find it here
      const [one, two] = [await ask(url), await client.ask(pathOf(url))]
      expect(two).toMatchObject({ status: one.status, end: 'clean', sha256: one.sha256 })
      expect(told(two.headers), url).toEqual(told(one.headers))
    }
    const part = await client.ask(pathOf(world.blob('lab/tool', layer!.digest)), { headers: { range: 'bytes=1000-1999' } })
    expect(part).toMatchObject({ status: 206, end: 'clean' })
    expect(part.body.equals(layer!.bytes.subarray(1000, 2000))).toBe(true)
    const head = await client.ask(pathOf(world.blob('lab/tool', layer!.digest)), { method: 'HEAD' })
    expect(head).toMatchObject({ status: 200, end: 'clean' })
    expect(head.headers['content-length']).toBe(String(layer!.bytes.length))
  })

  test('each mirror has a Link line of its own', async () => {
    await using world = await createMirroredWorld([{}, {}], { house: secure() })
    const layer = blob(MiB, 'linked')
    for (const place of [world.upstream, ...world.mirrors]) place.pushBlob('lab/tool', layer)
    const path = pathOf(world.blob('lab/tool', layer.digest))
    await using client = await connectH2(world.house.url)
    let lines: readonly string[] = []
    for (const end = Date.now() + 30_000; lines.length < 4 && Date.now() < end; ) lines = (await client.ask(path)).lines('link')
    const duplicates = lines.filter((line) => line.includes('rel=duplicate'))
    expect(duplicates.map((line) => /<([^>]*)>/.exec(line)?.[1])).toEqual(
      expect.arrayContaining([world.at(0, layer.digest), world.at(1, layer.digest)]),
    )
    expect(lines.filter((line) => line.includes('rel="describedby"') || line.includes('rel=describedby'))).toHaveLength(1)
    for (const line of lines) expect(line.match(/</g)).toHaveLength(1)
  })

  test.each([
    ['a length', {}],
    ['no length', { length: 'chunked' as const }],
  ])('a body with %s that turns out to be wrong is cut by an error, never ended', async (_what, fault) => {
    await using world = await createWorld({ house: secure() })
    const layer = blob(4 * MiB, 'wrong')
    world.upstream.pushBlob('lab/tool', layer)
    world.upstream.fault({ path: layer.digest, method: 'GET' }, { ...fault, flipAt: 3 * MiB })
    const gate = world.upstream.hold({ path: layer.digest, method: 'GET' })
    gate.release(2 * MiB)
    await using client = await connectH2(world.house.url)
    const other = client.ask('/healthz')
    const stream = client.begin(pathOf(world.blob('lab/tool', layer.digest)))
    const reading = client.read(stream)
    let bytes = 0
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    await until(() => bytes > MiB, 'more than is shown only whole')
    gate.open()
    const reply = await reading
    expect(reply).toMatchObject({ status: 200, end: 'cut' })
    expect(reply.body.length).toBeGreaterThan(MiB)
    expect(reply.body.length).toBeLessThan(layer.bytes.length)
    expect(await other).toMatchObject({ status: 200, end: 'clean' })
    expect(await client.ask('/v2/'), 'the connection goes on').toMatchObject({ status: 200, end: 'clean' })
  })

  test('the last byte waits for the digest', async () => {
    await using world = await createWorld({ house: secure() })
    const layer = blob(2 * MiB, 'last')
    world.upstream.pushBlob('lab/tool', layer)
    const gate = world.upstream.hold({ path: layer.digest, method: 'GET' })
    await using client = await connectH2(world.house.url)
    const stream = client.begin(pathOf(world.blob('lab/tool', layer.digest)))
    let bytes = 0
    stream.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    gate.release(layer.bytes.length - 1)
    while (bytes < layer.bytes.length - 1) await new Promise((go) => stream.once('data', go))
    expect(stream.readableEnded).toBe(false)
    gate.open()
    await new Promise((go) => stream.once('close', go))
    expect([bytes, stream.rstCode]).toEqual([layer.bytes.length, 0])
  })

  test('an error is told in the form of the protocol', async () => {
    await using world = await createWorld({ house: secure() })
    await using client = await connectH2(world.house.url)
    const missing = await client.ask('/v2/lab.example/lab/none/manifests/v1')
    expect(missing).toMatchObject({ status: 404, end: 'clean' })
    expect(JSON.parse(missing.body.toString()).errors[0].code).toBe('MANIFEST_UNKNOWN')
    expect(await client.ask('/v2/lab.example/lab/none/manifests/v1', { method: 'DELETE' })).toMatchObject({ status: 405 })
  })

  test.each(['GET', 'HEAD'])('a client that leaves while its %s waits holds up nothing', async (method) => {
    await using world = await createWorld({ house: secure() })
    const layer = blob(4 * MiB, 'left')
    world.upstream.push('lab/tool', image({ layers: [100] }), 'v1')
    world.upstream.pushBlob('lab/tool', layer)
    const gate = world.upstream.hold({ path: /\/manifests\/v1$/ })
    await using client = await connectH2(world.house.url)
    const stream = client.begin(pathOf(world.manifest('lab/tool', 'v1')), { method })
    await gate.arrived()
    expect(await world.house.metric('edge_requests_open')).toBe(1)
    stream.close(constants.NGHTTP2_CANCEL)
    await untilQuiet(world)
    expect(await world.house.metric('edge_aborts_total')).toBe(1)
    gate.open()
  })

  test('a client that leaves in the middle lets the transfer end that nobody else wants', async () => {
    await using world = await createWorld({ house: secure({}, { transfer: { linger: '0s' } }) })
    const layer = blob(8 * MiB, 'unwanted')
    world.upstream.pushBlob('lab/tool', layer)
    world.upstream.fault({ path: layer.digest, method: 'GET' }, { length: 'chunked' }) // who knows how much is still to come
    const gate = world.upstream.hold({ path: layer.digest, method: 'GET' })
    gate.release(2 * MiB)
    await using client = await connectH2(world.house.url)
    const stream = client.begin(pathOf(world.blob('lab/tool', layer.digest)))
    await new Promise((go) => stream.once('data', go))
    stream.close(constants.NGHTTP2_CANCEL)
    await until(async () => (await world.house.metric('transfer_fills_running')) === 0, 'the transfer has ended', 20_000)
    expect(world.upstream.bytesSent(layer.digest)).toBeLessThan(layer.bytes.length)
  })

  test('clients that stop reading, and leave, give back what they held', async () => {
    await using world = await createWorld({ house: secure() })
    const layer = blob(8 * MiB, 'stalled')
    world.upstream.pushBlob('lab/tool', layer)
    const path = pathOf(world.blob('lab/tool', layer.digest))
    await using client = await connectH2(world.house.url)
    const streams = Array.from({ length: 20 }, () => client.begin(path))
    await Promise.all(streams.map((stream) => new Promise((go) => stream.once('response', go))))
    expect(await world.house.metric('edge_requests_open')).toBe(20)
    for (const stream of streams.slice(10)) stream.close(constants.NGHTTP2_CANCEL)
    client.session.destroy()
    await untilQuiet(world)
    expect(await world.house.metric('edge_aborts_total')).toBe(20)
    expect(await ask(world.blob('lab/tool', layer.digest))).toMatchObject({ status: 200, sha256: layer.digest })
  })

  test('a hundred bodies share one connection, each whole', async () => {
    await using world = await createWorld({ house: secure() })
    const layers = [blob(2 * MiB, 'a'), blob(MiB / 2, 'b'), blob(3 * MiB, 'c')]
    for (const layer of layers) world.upstream.pushBlob('lab/tool', layer)
    await using client = await connectH2(world.house.url)
    const digests = await Promise.all(
      Array.from({ length: 100 }, async (_, at) => {
        const { digest } = layers[at % 3]!
        const stream = client.begin(pathOf(world.blob('lab/tool', digest)))
        const hash = createHash('sha256')
        for await (const chunk of stream) hash.update(chunk as Buffer)
        return [`sha256:${hash.digest('hex')}`, digest]
      }),
    )
    for (const [got, wanted] of digests) expect(got).toBe(wanted)
    for (const { digest } of layers) expect(world.upstream.bodies(digest)).toBe(1)
  })

  test('a server that stops lets what is under way end, and takes no more', async () => {
    const world = await createWorld({ house: secure({}, { drainTimeout: '20s' }) })
    const layer = blob(2 * MiB, 'drained')
    world.upstream.pushBlob('lab/tool', layer)
    const gate = world.upstream.hold({ path: layer.digest, method: 'GET' })
    await using client = await connectH2(world.house.url)
    const reply = client.ask(pathOf(world.blob('lab/tool', layer.digest)))
    await gate.arrived()
    const goneAway = new Promise((go) => client.session.once('goaway', go))
    const stopped = world.house.stop()
    await goneAway
    gate.open()
    expect(await reply).toMatchObject({ status: 200, end: 'clean', sha256: layer.digest })
    await stopped
    await world[Symbol.asyncDispose]()
  })

  test('is not spoken where the settings say so', async () => {
    await using world = await createWorld({ house: secure({ http2: false }) })
    await expect(connectH2(world.house.url)).rejects.toThrow()
    expect(await ask(`${world.house.url}/v2/`, { tls: { ALPNProtocols: ['h2', 'http/1.1'] } })).toMatchObject({ status: 200 })
  })
})
