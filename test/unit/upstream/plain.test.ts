import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { Source } from '../../../src/model/artifact.ts'
import type { UpstreamId } from '../../../src/model/reference.ts'
import { createHttp } from '../../../src/system/http.ts'
import { createPlainReader } from '../../../src/upstream/plain.ts'

const signal = new AbortController().signal

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** A server that answers as told, and a reader that may dial it and nothing else inside. */
async function bench(answer: Answer) {
  const asked: IncomingMessage[] = []
  const server = createServer((request, response) => {
    asked.push(request)
    answer(request, response)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const base = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  const http = createHttp({
    origins: [base],
    allow: [],
    proxies: { no: [] },
    ca: [],
    connectTimeoutMs: 30_000,
    headersTimeoutMs: 30_000,
    idleTimeoutMs: 30_000,
    userAgent: 'test/1',
  })
  const source = (place: 'mirror' | 'sibling'): Source => ({ url: base, via: 'lab.example' as UpstreamId, priority: 1, place })
  return {
    asked,
    base,
    reader: createPlainReader(http),
    mirror: source('mirror'),
    sibling: source('sibling'),
    async [Symbol.asyncDispose]() {
      await http.close()
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of body) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}

const body: Answer = (_, response) => response.end('abcdef')
const status =
  (code: number, headers = {}): Answer =>
  (_, response) =>
    response.writeHead(code, headers).end()

describe('a place that answers anybody', () => {
  test('is read whole, without credentials and without a coding', async () => {
    await using it = await bench(body)
    const answer = await it.reader.read(it.mirror, {}, signal)
    expect([answer.status, answer.total, (await collect(answer.body)).toString()]).toEqual([200, 6, 'abcdef'])
    const { headers } = it.asked[0]!
    expect([headers.authorization, headers.cookie, headers.range]).toEqual([undefined, undefined, undefined])
    expect([headers['accept-encoding'], headers['cache-control']]).toEqual(['identity', undefined])
    expect(headers.accept).toContain('*/*')
  })

  test('is read in part, and must answer with that part', async () => {
    await using it = await bench((request, response) => {
      const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range!)!
      const last = end ? Number(end) : 5
      response.writeHead(206, { 'content-range': `bytes ${start}-${last}/6` }).end('abcdef'.slice(Number(start), last + 1))
    })
    const part = await it.reader.read(it.mirror, { range: { start: 2, end: 4 }, validator: '"v"' }, signal)
    expect([part.status, part.total, part.range]).toEqual([206, 6, { start: 2, end: 4 }])
    expect((await collect(part.body)).toString()).toBe('cd')
    expect(it.asked[0]!.headers['if-range']).toBe('"v"')
    const rest = await it.reader.read(it.mirror, { range: { start: 4 } }, signal)
    expect((await collect(rest.body)).toString()).toBe('ef')
  })

  test.each([
    ['other bytes than asked for', 206, { 'content-range': 'bytes 0-1/6' }, 'source-changed'],
    ['no range where one was asked', 416, {}, 'source-changed'],
    ['a coded body', 200, { 'content-encoding': 'br' }, 'upstream-invalid'],
    ['401', 401, {}, 'upstream-refused'],
    ['403', 403, {}, 'upstream-refused'],
    ['404', 404, {}, 'not-found'],
    ['410', 410, {}, 'not-found'],
    ['429', 429, {}, 'upstream-limited'],
    ['504', 504, {}, 'upstream-status'],
    ['a redirect inside the site', 302, { location: 'http://127.0.0.1:1/' }, 'outbound-blocked'],
    ['a redirect to the address of cloud secrets', 302, { location: 'http://169.254.169.254/' }, 'outbound-blocked'],
    ['a redirect to a file', 302, { location: 'file:///etc/passwd' }, 'outbound-blocked'],
  ])('that gives %s is a fault that says so', async (_, code, headers, fault) => {
    await using it = await bench(status(code, headers))
    const read = it.reader.read(it.mirror, { range: { start: 2, end: 4 } }, signal)
    await expect(read).rejects.toMatchObject({ code: fault })
  })

  test('lends no more than four bodies at once, and another when one is done or given up; who waits is told of its turn', async () => {
    await using it = await bench((_, response) => response.writeHead(200, { 'content-length': 10 }).write('x'))
    const controls = Array.from({ length: 5 }, () => new AbortController())
    const told: number[] = []
    const reads = controls.map((control, at) => it.reader.read(it.mirror, { sent: () => told.push(at) }, control.signal))
    await Promise.all(reads.slice(0, 4))
    expect([it.asked.length, told]).toEqual([4, [0, 1, 2, 3]])
    controls[0]!.abort()
    await reads[4]
    expect([it.asked.length, told]).toEqual([5, [0, 1, 2, 3, 4]])
    for (const control of controls) control.abort()
  })
})

describe('the size at a place', () => {
  test('is what a HEAD says', async () => {
    await using it = await bench(status(200, { 'content-length': '123' }))
    expect(await it.reader.sizeAt(it.mirror, signal)).toBe(123)
    expect(it.asked.map(({ method }) => method)).toEqual(['HEAD'])
  })

  test.each([404, 410])('is none where it answers %d', async (code) => {
    await using it = await bench(status(code))
    expect(await it.reader.sizeAt(it.mirror, signal)).toBeUndefined()
  })

  test.each([
    [401, 'upstream-refused'],
    [500, 'upstream-status'],
    [504, 'upstream-status'],
  ])('is a fault where it answers %d', async (code, fault) => {
    await using it = await bench(status(code))
    await expect(it.reader.sizeAt(it.mirror, signal)).rejects.toMatchObject({ code: fault })
  })
})

describe('another one of us', () => {
  test('is asked for what it holds, in every question', async () => {
    await using it = await bench(body)
    await collect((await it.reader.read(it.sibling, {}, signal)).body)
    await it.reader.sizeAt(it.sibling, signal)
    expect(it.asked.map(({ headers }) => headers['cache-control'])).toEqual(['only-if-cached', 'only-if-cached'])
  })

  test('has not got it when it answers 504, which is no fault of its', async () => {
    await using it = await bench(status(504))
    await expect(it.reader.read(it.sibling, {}, signal)).rejects.toMatchObject({ code: 'not-found' })
    expect(await it.reader.sizeAt(it.sibling, signal)).toBeUndefined()
  })
})

describe('a place that somebody else named', () => {
  test('is not asked where it is neither https nor named in the settings', async () => {
    await using it = await bench(body)
    const learnt = (url: URL): Source => ({ ...it.mirror, url, place: 'learnt' })
    const elsewhere = learnt(new URL('http://files.example/x'))
    await expect(it.reader.read(elsewhere, {}, signal)).rejects.toMatchObject({ code: 'outbound-blocked' })
    expect((await collect((await it.reader.read(learnt(it.base), {}, signal)).body)).toString()).toBe('abcdef')
    expect(it.asked).toHaveLength(1)
  })
})
