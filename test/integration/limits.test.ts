import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { ask, askHashed, askRaw, errorCodes, open } from '../kit/ask.ts'
import { blob } from '../kit/blobs.ts'
import { until } from '../kit/disk.ts'
import { connectH2 } from '../kit/h2.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createRecordedLog } from '../kit/recorded-log.ts'
import { tlsFiles, trustedAuthorities } from '../kit/tls.ts'
import { createWorld, type World } from '../kit/world.ts'

expectNoLeaks()

const MiB = 1024 * 1024

function limited(limits: object, more: object = {}): Promise<World> {
  return createWorld({ house: { more: { limits, ...more } } })
}

/** A connection of its own, on which nothing is sent unless said. */
async function connected(host: string, bytes = ''): Promise<Socket> {
  const { hostname, port } = new URL(`http://${host}`)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  await new Promise((go) => socket.once('connect', go))
  if (bytes) socket.write(bytes)
  return socket
}

/** All that comes until the other side ends the connection. */
function untilClosed(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1')
  })
  return new Promise((resolve) => socket.once('close', () => resolve(text)))
}

const refused = (world: World, reason: string) => world.house.metric('edge_refused_total', { reason })

describe('more requests at once than may be', () => {
  test('are refused for all in each protocol its own way, and told when to come back', async () => {
    await using world = await limited({ requests: 1 })
    const gate = world.upstream.hold({ path: /manifests/ })
    world.upstream.push('lab/tool', image(), 'v1')
    const one = ask(world.manifest('lab/tool', 'v1'))
    await gate.arrived()
    const { url } = world.house
    const registry = await ask(world.manifest('lab/tool', 'v2'))
    expect(registry).toMatchObject({ status: 503, headers: { 'retry-after': '2', 'content-type': 'application/json' } })
    expect(errorCodes(registry)).toEqual(['UNAVAILABLE'])
    const library = await ask(`${url}/v1/images/a/b/c:d`)
    expect(library).toMatchObject({ status: 503, headers: { 'retry-after': '2' } })
    expect(JSON.parse(library.body.toString())).toMatchObject({ error: { code: 503 } })
    expect(JSON.parse((await ask(`${url}/api/container/a/b:c`)).body.toString())).toHaveProperty('detail')
    expect(JSON.parse((await ask(`${url}/static/x/a/manifests/b`)).body.toString())).toHaveProperty('message')
    expect((await ask(`${url}/files/x/y`)).body.toString()).toMatch(/^too much at once: 1 requests are being answered\n$/)
    expect(await ask(`${url}/healthz`)).toMatchObject({ status: 200 })
    expect(await refused(world, 'requests')).toBe(5)
    gate.open()
    expect(await one).toMatchObject({ status: 200 })
    expect(await ask(world.manifest('lab/tool', 'v1'))).toMatchObject({ status: 200 })
  })

  test('break the connection of who would take the refusal for the part of a file that it asked for', async () => {
    await using world = await limited({ requests: 1 })
    const gate = world.upstream.hold({ path: /manifests/ })
    const one = ask(world.manifest('lab/tool', 'v1'))
    await gate.arrived()
    const part = `${world.house.url}/blobs/sha256/${'0'.repeat(64)}?part=1`
    await expect(ask(part, { headers: { range: 'bytes=0-9' } })).rejects.toThrow('socket hang up')
    gate.open()
    await one
  })

  test('of one client are its own affair', async () => {
    await using world = await limited({ requestsPerClient: 2 }, { trustedProxies: ['127.0.0.0/8'] })
    const gate = world.upstream.hold({ path: /manifests/ })
    world.upstream.push('lab/tool', image(), 'v1')
    const as = (client: string) => ({ headers: { 'x-forwarded-for': client } })
    const two = ['a', 'b'].map((tag) => ask(world.manifest('lab/tool', tag), as('10.1.1.1')))
    await gate.arrived(2)
    const third = await ask(world.manifest('lab/tool', 'v1'), as('10.1.1.1'))
    expect(third).toMatchObject({ status: 429, headers: { 'retry-after': '2' } })
    expect(errorCodes(third)).toEqual(['TOOMANYREQUESTS'])
    gate.open()
    expect(await ask(world.manifest('lab/tool', 'v1'), as('10.1.1.2'))).toMatchObject({ status: 200 })
    await Promise.all(two)
    expect(await ask(world.manifest('lab/tool', 'v1'), as('10.1.1.1'))).toMatchObject({ status: 200 })
    expect(await refused(world, 'client-requests')).toBe(1)
  })
})

describe('more connections than may be', () => {
  test.each([
    ['in all', { connections: 3 }, 503, 'connections'],
    ['of one client', { connectionsPerClient: 3 }, 429, 'client-connections'],
  ])('%s are told so when they ask, and ended', async (_what, limits, status, reason) => {
    await using world = await limited(limits)
    const before = await Promise.all([connected(world.house.host), connected(world.house.host), connected(world.house.host)])
    const reply = await ask(`${world.house.url}/v2/`)
    expect(reply).toMatchObject({ status, headers: { 'retry-after': '5', connection: 'close' } })
    expect(errorCodes(reply)).toEqual([status === 503 ? 'UNAVAILABLE' : 'TOOMANYREQUESTS'])
    expect(await ask(`${world.house.url}/healthz`), 'who looks whether it lives is answered').toMatchObject({ status: 200 })
    for (const socket of before) socket.destroy()
    await until(async () => (await world.house.metric('edge_connections_open')) === 1, 'the connections are closed')
    expect(await ask(`${world.house.url}/v2/`)).toMatchObject({ status: 200 })
    expect(await refused(world, reason)).toBeGreaterThanOrEqual(2)
  })

  test('over HTTP/2 are too', async () => {
    const listen = { host: '127.0.0.1', port: 0, tls: tlsFiles('server') }
    await using world = await limited({ connections: 1 }, { listen })
    await using _one = await connectH2(world.house.url)
    await using two = await connectH2(world.house.url)
    const ended = new Promise((go) => two.session.once('close', go))
    expect(await two.ask('/v2/')).toMatchObject({ status: 503, headers: { 'retry-after': '5' } })
    await ended
  })
})

describe('clients that take their time', () => {
  test('over the head of a request are cut, however many, and others are served', async () => {
    await using world = await limited({ headersTimeout: '1s', requestTimeout: '2s' })
    world.upstream.push('lab/tool', image(), 'v1')
    const answers: Promise<string>[] = []
    const slow = await Promise.all(
      Array.from({ length: 200 }, async (_, at) => {
        const socket = await connected(world.house.host, at % 2 === 0 ? 'GET /v2/ HTTP/1.1\r\nHost: x\r\nX-A: ' : '')
        answers.push(untilClosed(socket))
        return socket
      }),
    )
    const dripping = setInterval(() => {
      for (const socket of slow) if (socket.writable) socket.write('b')
    }, 100)
    expect(await ask(world.manifest('lab/tool', 'v1'))).toMatchObject({ status: 200 })
    for (const answer of await Promise.all(answers)) expect(answer).toMatch(/^(HTTP\/1\.1 408 |HTTP\/1\.1 400 |$)/)
    clearInterval(dripping)
    expect(await refused(world, 'slow-request')).toBeGreaterThanOrEqual(100)
    expect(await ask(world.manifest('lab/tool', 'v1'))).toMatchObject({ status: 200 })
  })

  test('over a handshake are cut', async () => {
    const listen = { host: '127.0.0.1', port: 0, tls: tlsFiles('server') }
    await using world = await limited({ headersTimeout: '2s' }, { listen })
    const socket = await connected(world.house.host)
    expect(await untilClosed(socket)).toBe('')
    expect(await refused(world, 'slow-request')).toBe(1)
  })

  test.each([['plainly'], ['over TLS'], ['over HTTP/2']])(
    'to read nothing at all of a body are cut %s, and not others',
    async (how) => {
      const isPlain = how === 'plainly'
      const listen = { host: '127.0.0.1', port: 0, ...(isPlain ? {} : { tls: tlsFiles('server') }) }
      await using world = await limited({ clientIdle: '2s' }, { listen })
      const layer = blob(24 * MiB, 'idle')
      world.upstream.pushBlob('lab/tool', layer)
      const url = world.blob('lab/tool', layer.digest)
      await askHashed(url) // it is here
      const cut = stopReading(world, url, how)
      await using upstreamIsSlow = await waiting(world)
      expect(await cut).toBe('cut')
      expect(await refused(world, 'idle-client')).toBe(1)
      expect(await askHashed(url)).toMatchObject({ status: 200, end: 'clean', sha256: layer.digest })
      upstreamIsSlow.gate.open()
      expect(await upstreamIsSlow.reply, 'who waits for us is not idle').toMatchObject({ status: 200, end: 'clean' })
    },
  )

  test('but read a little now and then are not cut', async () => {
    await using world = await limited({ clientIdle: '2s' })
    const layer = blob(8 * MiB, 'slowly')
    world.upstream.pushBlob('lab/tool', layer)
    const { pathname } = new URL(world.blob('lab/tool', layer.digest))
    await askHashed(world.blob('lab/tool', layer.digest))
    const socket = await connected(world.house.host, `GET ${pathname} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    let bytes = 0
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      socket.pause()
    })
    const reading = setInterval(() => socket.resume(), 20)
    await new Promise((go) => socket.once('close', go))
    clearInterval(reading)
    expect(bytes).toBeGreaterThan(layer.bytes.length)
    expect(await refused(world, 'idle-client')).toBe(0)
  })

  /** Settles with how a connection ends on which a body was asked for and never read. */
  async function stopReading(world: World, url: string, how: string): Promise<string> {
    const { pathname, hostname, port } = new URL(url)
    if (how === 'over HTTP/2') {
      await using client = await connectH2(world.house.url)
      const stream = client.begin(pathname)
      return await new Promise((resolve) => stream.once('close', () => resolve(stream.rstCode === 0 ? 'ended' : 'cut')))
    }
    const head = `GET ${pathname} HTTP/1.1\r\nHost: x\r\n\r\n`
    const plain = how === 'plainly' ? await connected(world.house.host) : undefined
    const socket = plain ?? connectTls({ host: hostname, port: Number(port), ca: trustedAuthorities() })
    socket.on('error', () => {})
    socket.write(head)
    socket.pause()
    await until(async () => (await refused(world, 'idle-client')) > 0, 'the idle client is cut')
    socket.resume()
    return new Promise((resolve) => socket.once('close', () => resolve('cut')))
  }

  /** A request that gets no byte for a while, as its upstream gives none. */
  async function waiting(world: World) {
    const late = blob(2 * MiB, 'late')
    world.upstream.pushBlob('lab/tool', late)
    const gate = world.upstream.hold({ path: late.digest, method: 'GET' })
    const reply = askHashed(world.blob('lab/tool', late.digest))
    await gate.arrived()
    return { gate, reply, [Symbol.asyncDispose]: async () => gate.open() }
  }
})

describe('requests that are too long', () => {
  test('by their URL are answered 414, by their head 431', async () => {
    await using world = await limited({ urlLength: '500B', headerSize: '2KiB' })
    const url = `${world.house.url}/v2/`
    expect(await ask(`${url}?${'x'.repeat(400)}`)).toMatchObject({ status: 200 })
    const long = await ask(`${url}?${'x'.repeat(600)}`)
    expect(long).toMatchObject({ status: 414 })
    expect(errorCodes(long)).toEqual(['UNSUPPORTED'])
    expect(await askRaw(world.house.host, `GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(4000)}\r\n\r\n`)).toMatch(
      /^HTTP\/1\.1 431 /,
    )
    expect(await refused(world, 'url-length')).toBe(1)
    expect(await refused(world, 'header-size')).toBe(1)
  })

  test('are refused over HTTP/2 too', async () => {
    const listen = { host: '127.0.0.1', port: 0, tls: tlsFiles('server') }
    await using world = await limited({ urlLength: '500B', headerSize: '2KiB' }, { listen })
    await using client = await connectH2(world.house.url)
    expect(await client.ask(`/v2/?${'x'.repeat(600)}`)).toMatchObject({ status: 414 })
    expect((await client.ask('/v2/', { headers: { 'x-long': 'x'.repeat(4000) } })).status).not.toBe(200)
    expect(await client.ask('/v2/')).toMatchObject({ status: 200 })
  })
})

describe('a client that may have so many bytes a second', () => {
  test('gets no more, over all its requests, and others are not held up', async () => {
    await using world = await limited({ bytesPerSecondPerClient: '2MiB' }, { trustedProxies: ['127.0.0.1'] })
    const layer = blob(2 * MiB, 'paced')
    const small = blob(MiB / 2, 'paced and small')
    world.upstream.pushBlob('lab/tool', layer)
    world.upstream.pushBlob('lab/tool', small)
    const as = (client: string) => ({ headers: { 'x-forwarded-for': client } })
    const urls = [layer, layer, small].map(({ digest }) => world.blob('lab/tool', digest))
    for (const url of urls) await askHashed(url, as('10.0.0.9')) // they are here
    const startedAt = performance.now()
    const replies = urls.map((url) => askHashed(url, as('10.0.0.1')))
    const order = await Promise.race([
      Promise.all(replies).then(() => 'the paced one'),
      askHashed(urls[2]!, as('10.0.0.2')).then(() => 'the other'),
    ])
    expect(order).toBe('the other')
    for (const [at, reply] of (await Promise.all(replies)).entries())
      expect(reply).toMatchObject({ status: 200, end: 'clean', sha256: [layer, layer, small][at]!.digest })
    expect(performance.now() - startedAt, 'for the three MiB that are not sent ahead').toBeGreaterThan(1400)
  })

  test('and leaves while it waits for its turn, leaves nothing behind', async () => {
    await using world = await limited({ bytesPerSecondPerClient: '64KiB' })
    const layer = blob(2 * MiB, 'left')
    world.upstream.pushBlob('lab/tool', layer)
    const reply = await open(world.blob('lab/tool', layer.digest))
    await reply.atLeast(16 * 1024)
    reply.leave()
    await until(async () => (await world.house.metric('edge_requests_open')) === 0, 'nobody is answered')
  })
})

describe('all clients together', () => {
  test('get no more bytes a second than they may, and none is passed over', async () => {
    await using world = await limited({ bytesPerSecond: '4MiB' }, { trustedProxies: ['127.0.0.1'] })
    const layer = blob(2 * MiB, 'all together')
    world.upstream.pushBlob('lab/tool', layer)
    const url = world.blob('lab/tool', layer.digest)
    const as = (client: string) => ({ headers: { 'x-forwarded-for': client } })
    await askHashed(url, as('10.0.0.9')) // it is here
    const startedAt = performance.now()
    const replies = await Promise.all(['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((client) => askHashed(url, as(client))))
    for (const reply of replies) expect(reply).toMatchObject({ status: 200, end: 'clean', sha256: layer.digest })
    expect(performance.now() - startedAt, 'for the three MiB that are neither sent ahead nor owed').toBeGreaterThan(700)
  })
})

describe('a proxy in front', () => {
  test('is believed who the client is if the settings trust it, and nobody else is', async () => {
    const log = createRecordedLog()
    const world = await createWorld({ house: { more: { trustedProxies: ['127.0.0.1', '10.0.0.0/8'] } }, log })
    const clientOf = async (field: string) => {
      await ask(`${world.house.url}/v2/`, { headers: { 'x-forwarded-for': field } })
      return (log.lines.findLast(({ event }) => event === 'request')!.fields as { client: string }).client
    }
    expect(await clientOf('192.0.2.7')).toBe('192.0.2.7')
    expect(await clientOf('198.51.100.1, 192.0.2.7, 10.0.0.3')).toBe('192.0.2.7')
    expect(await clientOf('192.0.2.7:4711')).toBe('192.0.2.7')
    expect(await clientOf('[2001:db8::1]:4711')).toBe('2001:db8::1')
    expect(await clientOf('unknown')).toBe('127.0.0.1')
    expect(await clientOf('')).toBe('127.0.0.1')
    await world[Symbol.asyncDispose]()
    const other = await createWorld({ log })
    await ask(`${other.house.url}/v2/`, { headers: { 'x-forwarded-for': '192.0.2.7' } })
    expect(log.lines.at(-1)?.fields).toMatchObject({ client: '127.0.0.1' })
    await other[Symbol.asyncDispose]()
  })

  test('changes no URL that is given out', async () => {
    await using world = await limited({}, { trustedProxies: ['127.0.0.1'] })
    const tool = image()
    world.upstream.push('lab/tool', tool, 'v1')
    const headers = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'evil.example', 'x-forwarded-for': '192.0.2.7' }
    const { headers: told } = await ask(world.manifest('lab/tool', tool.manifest.digest), { headers })
    expect(told.link).toContain(`<${world.house.url}/`)
  })
})
