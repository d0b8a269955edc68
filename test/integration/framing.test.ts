import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, askRaw } from '../kit/ask.ts'
import { blob, KiB, MiB } from '../kit/blobs.ts'
import { until, untilHeld } from '../kit/disk.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createWorld, lab, type World } from '../kit/world.ts'

expectNoLeaks()

const tool = image({ seed: 'framing', layers: [5000] })
const layer = blob(MiB + 5, 'framing')
const path = (what: string) => `/v2/${lab}/lab/tool/${what}`

let world: World
beforeAll(async () => {
  world = await createWorld({ settings: { freshFor: '1h' } })
  world.upstream.push('lab/tool', tool, 'v1')
  world.upstream.pushBlob('lab/tool', layer)
  for (const url of [world.manifest('lab/tool', 'v1'), world.blob('lab/tool', layer.digest)]) await ask(url)
  await untilHeld(world.house.storePath, layer.digest)
})
afterAll(() => world[Symbol.asyncDispose]())

interface Part {
  readonly status: number
  readonly body: string
}

/** Takes answers apart by what they say of their own length. */
function takeApart(wire: string, methods: readonly string[]): readonly Part[] {
  const parts: Part[] = []
  let at = 0
  for (const method of methods) {
    const headEnd = wire.indexOf('\r\n\r\n', at)
    if (headEnd < 0) break
    const head = wire.slice(at, headEnd)
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1])
    const length = Number(/^content-length: *(\d+)$/im.exec(head)?.[1] ?? 0)
    const bodyEnd = headEnd + 4 + (method === 'HEAD' || status === 304 ? 0 : length)
    parts.push({ status, body: wire.slice(headEnd + 4, bodyEnd) })
    at = bodyEnd
  }
  expect(wire.length, 'bytes that belong to no answer').toBe(at)
  return parts
}

test('answers of every kind follow each other on one connection, each as long as it says', async () => {
  const etag = `"${layer.digest}"`
  const requests: readonly [method: string, path: string, header: string, status: number, body?: string][] = [
    ['HEAD', path(`blobs/${layer.digest}`), '', 200],
    ['GET', path(`blobs/${layer.digest}`), 'Range: bytes=0-99', 206, layer.bytes.toString('latin1', 0, 100)],
    ['GET', path(`blobs/${layer.digest}`), `If-None-Match: ${etag}`, 304],
    ['GET', path(`blobs/${layer.digest}`), 'Range: bytes=99999999-', 416],
    ['GET', path('manifests/v1'), '', 200, tool.manifest.bytes.toString('latin1')],
    ['HEAD', path('manifests/none'), '', 404],
    ['GET', path('blobs/none'), '', 400],
    ['POST', path('blobs/uploads/'), 'Content-Length: 0', 405],
    ['GET', '/healthz', '', 200],
    ['GET', path(`blobs/${layer.digest}`), '', 200, layer.bytes.toString('latin1')],
    ['GET', '/v2/', 'Connection: close', 200],
  ]
  const wire = await askRaw(
    world.house.host,
    requests
      .map(([method, path, header]) => `${method} ${path} HTTP/1.1\r\nHost: x\r\n${header && `${header}\r\n`}\r\n`)
      .join(''),
  )
  const answers = takeApart(
    wire,
    requests.map(([method]) => method),
  )
  expect(answers.map(({ status }) => status)).toEqual(requests.map(([, , , status]) => status))
  for (const [at, [, what, , , body]] of requests.entries()) {
    if (body !== undefined) expect([what, answers[at]!.body === body]).toEqual([what, true])
  }
})

test('a CONNECT is never answered within another answer', async () => {
  const large = blob(3 * MiB, 'before a CONNECT')
  world.upstream.pushBlob('lab/tool', large)
  const gate = world.upstream.hold({ path: large.digest, method: 'GET' })
  gate.release(2 * MiB)
  const { hostname, port } = new URL(world.house.url)
  const socket = connect(Number(port), hostname)
  socket.on('error', () => {})
  const chunks: Buffer[] = []
  socket.write(`GET ${path(`blobs/${large.digest}`)} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await new Promise<void>((go) => socket.on('data', (chunk: Buffer) => chunks.push(chunk) === 1 && go()))
  socket.write('CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n')
  await new Promise<void>((go) => socket.once('close', () => go()))
  gate.open()
  const wire = Buffer.concat(chunks).toString('latin1')
  expect(large.bytes.toString('latin1').startsWith(wire.slice(wire.indexOf('\r\n\r\n') + 4))).toBe(true)
  await untilHeld(world.house.storePath, large.digest)
})

test('a CONNECT behind other requests leaves none of them open', async () => {
  const one = `GET ${path('manifests/v1')} HTTP/1.1\r\nHost: x\r\n\r\n`
  for (let times = 0; times < 10; times++) {
    const wire = await askRaw(world.house.host, `${one}${one}CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n`)
    expect(wire).toMatch(/^$|^HTTP\/1\.1 (?:200|405) /)
  }
  await until(async () => (await world.house.metric('edge_requests_open')) === 0, 'nobody is being answered')
})

test('a client that goes while one answer waits behind another leaves nothing open', async () => {
  const slow = blob(3 * MiB, 'slow')
  world.upstream.pushBlob('lab/tool', slow)
  const gate = world.upstream.hold({ path: slow.digest, method: 'GET' })
  gate.release(2 * MiB)
  const { hostname, port } = new URL(world.house.url)
  const socket = connect(Number(port), hostname)
  const line = (digest: string) => `GET ${path(`blobs/${digest}`)} HTTP/1.1\r\nHost: x\r\n\r\n`
  socket.write(line(slow.digest) + line(layer.digest) + line(layer.digest))
  let bytes = 0
  await new Promise<void>((go) => {
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > MiB) go()
    })
  })
  socket.destroy()
  gate.open()
  await untilHeld(world.house.storePath, slow.digest)
  // Files that are still open at the end of this file would be told then.
  expect((await ask(world.blob('lab/tool', slow.digest))).sha256).toBe(slow.digest)
})

test('a client that sends its request byte by byte is answered all the same', async () => {
  const request = `GET ${path('manifests/v1')} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`
  const { hostname, port } = new URL(world.house.url)
  const socket = connect(Number(port), hostname)
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  const closed = new Promise((done) => socket.once('close', done))
  for (const byte of request) {
    socket.write(byte)
    await new Promise((go) => setImmediate(go))
  }
  await closed
  expect(Buffer.concat(chunks).toString('latin1')).toContain(tool.manifest.bytes.toString('latin1'))
})

test('a request id of the client comes back, one that could break a log line does not', async () => {
  const url = `${world.house.url}/v2/`
  expect((await ask(url, { headers: { 'x-request-id': 'job-17.step_3' } })).headers['x-request-id']).toBe('job-17.step_3')
  for (const id of ['two words', '{"a":1}', 'x'.repeat(500)]) {
    const given = (await ask(url, { headers: { 'x-request-id': id } })).headers['x-request-id']
    expect([id, given !== id && /^[A-Za-z0-9._-]{1,64}$/.test(String(given))]).toEqual([id, true])
  }
})

test('nothing is ever compressed, however a client asks for it', async () => {
  const headers = { 'accept-encoding': 'zstd;q=1.0, gzip;q=0.8, deflate;q=0.5, br' }
  for (const url of [world.manifest('lab/tool', 'v1'), world.blob('lab/tool', layer.digest), `${world.house.url}/v2/`]) {
    const reply = await ask(url, { headers })
    expect([url, reply.headers['content-encoding'], reply.headers['content-length']]).toEqual([
      url,
      undefined,
      String(reply.body.length),
    ])
  }
})

test('what a manifest and a blob say of themselves: digests, lengths, and that they may be kept', async () => {
  const base64 = Buffer.from(layer.digest.slice('sha256:'.length), 'hex').toString('base64')
  for (const headers of [{}, { range: `bytes=0-${KiB}` }]) {
    for (const method of ['GET', 'HEAD']) {
      const reply = await ask(world.blob('lab/tool', layer.digest), { method, headers })
      expect(reply.headers).toMatchObject({
        digest: `SHA-256=${base64}`,
        'repr-digest': `sha-256=:${base64}:`,
        'docker-content-digest': layer.digest,
        etag: `"${layer.digest}"`,
        'accept-ranges': 'bytes',
        'cache-control': expect.stringMatching(/^public, .*immutable/),
        'cache-status': expect.stringMatching(/^forebay; hit/),
      })
    }
  }
})

test('a body that nobody wants is read where it is little, so that its sender hears the answer, and what it asks next', async () => {
  await using world = await createWorld()
  const { host } = world.house
  const post = (bytes: number) =>
    `POST /pks/add HTTP/1.1\r\nHost: ${host}\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`
  const next = `GET /readyz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`
  const statuses = async (text: string) => (await askRaw(host, text)).match(/HTTP\/1\.1 \d+/g)
  expect(await statuses(post(100_000) + next)).toEqual(['HTTP/1.1 405', 'HTTP/1.1 200'])
  expect((await statuses(post(300_000) + next)) ?? ['HTTP/1.1 405']).toEqual(['HTTP/1.1 405']) // or cut off before it is heard
})
