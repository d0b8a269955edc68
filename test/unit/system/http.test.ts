import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createServer as createTcp } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Fault } from '../../../src/model/fault.ts'
import { isExempt } from '../../../src/system/dispatchers.ts'
import { createHttp, type Http, type HttpSettings } from '../../../src/system/http.ts'
import { blob } from '../../kit/blobs.ts'
import { calm, faultOf } from '../../kit/bytes.ts'
import { createFakeUpstream, type FakeUpstream } from '../../kit/fake-upstream.ts'
import { createForwardProxy } from '../../kit/forward-proxy.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { deadPort } from '../../kit/ports.ts'
import { caFile, serverCertificate } from '../../kit/tls.ts'

expectNoLeaks()

let http: Http
let upstream: FakeUpstream
const layer = blob(200_000, 'layer')

const patient = { connectTimeoutMs: 30_000, headersTimeoutMs: 30_000, idleTimeoutMs: 30_000 }

async function start(
  settings: Partial<HttpSettings> = {},
  options: Parameters<typeof createFakeUpstream>[0] = {},
): Promise<void> {
  upstream = await createFakeUpstream(options)
  upstream.pushBlob('lab/tool', layer)
  http = createHttp({
    origins: [new URL(upstream.url)],
    allow: [],
    proxies: { no: [] },
    ca: [],
    ...patient,
    userAgent: 'forebay/test',
    ...settings,
  })
}
afterEach(async () => {
  await http.close()
  await upstream.close()
})

const url = () => new URL(`${upstream.url}/v2/lab/tool/blobs/${layer.digest}`)
const get = (to = url(), signal = calm) => http.request({ method: 'GET', url: to, signal })
const bytesOf = async (to?: URL) => (await get(to)).bytes(1_000_000)

describe('answers', () => {
  test('come with status, fields, and bytes as they are', async () => {
    await start()
    const answer = await get()
    expect(answer).toMatchObject({ status: 200, hops: 0 })
    expect(answer.header('docker-content-digest')).toBe(layer.digest)
    expect(answer.headers('no-such-field')).toEqual([])
    expect(Buffer.from(await answer.bytes(200_000)).equals(layer.bytes)).toBe(true)
    expect(upstream.requests[0]!.headers).toMatchObject({ 'user-agent': 'forebay/test', 'accept-encoding': 'identity' })
  })

  test('repeated fields are told one by one', async () => {
    await start()
    upstream.fault({}, { headers: { 'www-authenticate': ['Basic realm="a"', 'Bearer realm="b"'] } })
    const answer = await get()
    expect(answer.headers('www-authenticate')).toEqual(['Basic realm="a"', 'Bearer realm="b"'])
    await answer.discard()
  })

  test.each([{ length: 'chunked' as const }, {}])('past the limit, with %j, is too large', async (fault) => {
    await start()
    upstream.fault({}, fault)
    expect(await faultOf((await get()).bytes(199_999))).toBe('too-large')
    await upstream.quiet()
  })

  test('a body that is cancelled ends the connection', async () => {
    await start()
    upstream.fault({}, { stallAfter: 10 })
    const answer = await get()
    answer.cancel()
    await upstream.quiet()
  })
})

describe('failures', () => {
  test('a port where nobody listens', async () => {
    await start()
    const to = new URL(`http://127.0.0.1:${await deadPort()}/secret?token=x`)
    http = createHttp({ ...settingsFor(to) })
    const fault = (await get(to).catch((error) => error)) as Fault
    expect(fault).toMatchObject({ code: 'upstream-unreachable', details: { why: 'ECONNREFUSED' } })
    expect(fault.message).not.toContain('token')
  })

  const settingsFor = (origin: URL): HttpSettings => ({
    origins: [origin],
    allow: [],
    proxies: { no: [] },
    ca: [],
    ...patient,
    userAgent: 'forebay/test',
  })

  test('a name nobody has', async () => {
    await start()
    expect(await faultOf(get(new URL('http://no-such-name.invalid/')))).toBe('upstream-unreachable')
  })

  test('headers that never come', async () => {
    await start({ headersTimeoutMs: 300 })
    upstream.fault({}, { stall: 'for ever' })
    expect(await get().catch((error) => error)).toMatchObject({
      code: 'upstream-timeout',
      details: { phase: 'headers', ms: 300 },
    })
  })

  test('a body that stops', async () => {
    await start({ idleTimeoutMs: 300 })
    upstream.fault({}, { stallAfter: 100 })
    expect(await bytesOf().catch((error) => error)).toMatchObject({ code: 'upstream-timeout', details: { phase: 'body' } })
  })

  test('a body that goes on slowly has no limit in all', async () => {
    await start({ idleTimeoutMs: 2_000 })
    upstream.fault({}, { drip: { bytes: 5_000, everyMs: 60 } }) // longer than that in all
    expect((await bytesOf()).length).toBe(200_000)
  })

  test.each([{ cutAfter: 100 }, { cutAfter: 100, length: 'chunked' as const }, { lengthBy: 10 }])(
    'a body cut off, %j',
    async (fault) => {
      await start()
      upstream.fault({}, fault)
      expect(await faultOf(bytesOf())).toBe('source-cut')
    },
  )

  test('what is no HTTP at all', async () => {
    await start()
    const server = createTcp((socket) => void socket.resume().end('SSH-2.0-OpenSSH\r\n'))
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
    const to = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
    await http.close()
    http = createHttp(settingsFor(to))
    expect(await faultOf(get(to))).toBe('upstream-unreachable')
    await new Promise((done) => server.close(done))
  })

  test('who leaves gets his own reason, before headers and in the body', async () => {
    await start()
    const gate = upstream.hold({})
    const early = new AbortController()
    const asked = get(url(), early.signal)
    await gate.arrived()
    early.abort(new Error('gone early'))
    await expect(asked).rejects.toThrow('gone early')
    const late = new AbortController()
    const answering = get(url(), late.signal)
    await gate.arrived(2)
    gate.headers()
    const answer = await answering
    const reading = answer.bytes(1_000_000)
    late.abort(new Error('gone late'))
    await expect(reading).rejects.toThrow('gone late')
    gate.open()
  })
})

describe('a URL that somebody else named', () => {
  test.each([
    ['https://anything.example/x', true],
    ['https://10.1.2.3/x', true], // by its network
    ['https://known.example/x', true],
    ['http://known.example:8080/x', true],
    ['http://known.example/x', false],
    ['http://anything.example/x', false],
    ['http://10.1.2.3/x', false],
    ['https://127.0.0.1/x', false],
    ['https://[::ffff:192.168.0.1]/x', false],
    ['https://2130706433/x', false],
    ['file:///etc/passwd', false],
  ])('%s may be asked: %s', async (text, may) => {
    await start({ allow: ['10.1.2.0/24', 'known.example:8080'] })
    expect(http.mayLearn(new URL(text))).toBe(may)
  })
})

describe('redirects', () => {
  let other: Server
  let target: URL
  const seen: { method: string | undefined; authorization: string | undefined; cookie: string | undefined }[] = []

  beforeEach(async () => {
    seen.length = 0
    other = createServer((request, response) => {
      const { authorization, cookie } = request.headers
      seen.push({ method: request.method, authorization, cookie })
      response.end('there')
    })
    await new Promise<void>((done) => other.listen(0, '127.0.0.1', done))
    target = new URL(`http://127.0.0.1:${(other.address() as AddressInfo).port}/there`)
  })
  afterEach(async () => {
    other.closeAllConnections()
    await new Promise((done) => other.close(done))
  })

  const headers = { Authorization: 'Bearer secret', cookie: 'a=b', accept: 'x/y' }
  async function post(status: number, location = target.href): Promise<void> {
    upstream.fault({ nth: 1 }, { status, headers: { location } })
    const answer = await http.request({ method: 'POST', url: url(), headers, body: 'x', signal: calm })
    await answer.discard()
  }

  test('credentials stay behind when only the port changes', async () => {
    await start({ allow: [target.host] })
    upstream.fault({}, { status: 307, headers: { location: target.href } })
    const answer = await http.request({ method: 'GET', url: url(), headers, signal: calm })
    expect(answer).toMatchObject({ status: 200, hops: 1 })
    expect(answer.url.href).toBe(target.href)
    await answer.discard()
    expect(seen).toEqual([{ method: 'GET', authorization: undefined, cookie: undefined }])
    expect(upstream.requests[0]!.headers.authorization).toBe('Bearer secret')
  })

  test('a POST is a GET after 303 and a POST after 307', async () => {
    await start({ allow: [target.host] })
    await post(303)
    expect(seen.map(({ method }) => method)).toEqual(['GET'])
    upstream.heal()
    await post(307, '/elsewhere')
    expect(upstream.requests.map(({ method }) => method)).toEqual(['POST', 'POST', 'POST'])
  })

  test('what is sent by POST, which may be a password, is not sent on to another origin', async () => {
    await start({ allow: [target.host] })
    for (const status of [301, 302, 307, 308]) {
      upstream.heal()
      expect([status, await faultOf(post(status))]).toEqual([status, 'upstream-invalid'])
    }
    expect(seen).toEqual([])
  })

  test('a redirect without Location is an answer', async () => {
    await start()
    upstream.fault({}, { status: 302 })
    const answer = await get()
    expect(answer.status).toBe(302)
    await answer.discard()
  })

  test('from https none leads to http', async () => {
    await start({ ca: [caFile] }, { tls: serverCertificate() })
    upstream.fault({}, { status: 302, headers: { location: target.href } })
    expect(await faultOf(get())).toBe('upstream-invalid')
    expect(seen).toEqual([])
  })
})

describe('TLS', () => {
  test('an authority of the site is believed once it is named', async () => {
    await start({ ca: [caFile] }, { tls: serverCertificate() })
    expect((await bytesOf()).length).toBe(200_000)
    expect(await readFile(caFile, 'utf8')).toContain('CERTIFICATE')
  })

  test('an authority that nobody knows is not', async () => {
    await start({}, { tls: serverCertificate() })
    expect(await faultOf(get())).toBe('upstream-unreachable')
    expect(upstream.requests).toHaveLength(0)
  })
})

describe('a proxy', () => {
  test('is asked for what the settings name, with its credentials, and for nothing else', async () => {
    await using proxy = await createForwardProxy()
    const withUser = new URL(proxy.url.replace('//', '//ada:se%20cret@'))
    await start({ proxies: { http: withUser, no: [] } })
    expect((await bytesOf()).length).toBe(200_000)
    expect(proxy.asked).toHaveLength(1)
    expect(proxy.credentials).toEqual([`Basic ${Buffer.from('ada:se cret').toString('base64')}`])
    expect(await faultOf(get(new URL('http://elsewhere.example/')))).toBe('outbound-blocked')
    expect(proxy.asked).toHaveLength(1)
    await http.close()
  })

  test('is not asked for hosts that NO_PROXY names', async () => {
    await using proxy = await createForwardProxy()
    await start({ proxies: { http: new URL(proxy.url), no: ['127.0.0.1'] } })
    expect((await bytesOf()).length).toBe(200_000)
    expect(proxy.asked).toEqual([])
    await http.close()
  })

  test.each([
    ['https://a.example/', ['a.example'], true],
    ['https://a.example/', ['.example'], true],
    ['https://a.example/', ['*.example'], true],
    ['https://example/', ['.example'], true],
    ['https://a.example/', ['*'], true],
    ['https://a.example/', ['A.EXAMPLE'], true],
    ['https://a.example/', ['a.example:443'], true],
    ['https://a.example/', [' a.example '], true],
    ['https://a.example/', ['a.example:80'], false],
    ['https://ba.example/', ['a.example'], false],
    ['https://a.example.org/', ['a.example'], false],
    ['https://a.example/', ['', '.', 'b'], false],
  ])('%s with NO_PROXY %j: %s', (to, no, want) => expect(isExempt(new URL(to), no)).toBe(want))
})
