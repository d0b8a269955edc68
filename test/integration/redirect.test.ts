import { describe, expect, test } from 'vitest'
import { ask, askRaw } from '../kit/ask.ts'
import { connectH2 } from '../kit/h2.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { deadPort } from '../kit/ports.ts'
import { createShubWorld } from '../kit/shub-world.ts'
import { tlsFiles } from '../kit/tls.ts'
import { createWorld, lab } from '../kit/world.ts'

expectNoLeaks()

const publicUrl = 'https://forebay.site.example/below'

/** The plain listener sends clients elsewhere; the other one serves them. */
function withTwoDoors(more: object = {}) {
  const plain = { host: '127.0.0.1', port: 0, redirect: true }
  const secure = { host: '127.0.0.1', port: 0, tls: tlsFiles('server') }
  return { more: { listen: [plain, secure], publicUrl, ...more } }
}

describe('a listener that redirects', () => {
  test('sends clients to the same path and query by https', async () => {
    await using world = await createWorld({ house: withTwoDoors() })
    const { url } = world.house
    const path = `/v2/${lab}/lab/tool/manifests/v1?ns=${lab}`
    expect(await ask(url + path)).toMatchObject({ status: 301, end: 'clean', headers: { location: publicUrl + path } })
    expect(await ask(url + path, { method: 'HEAD' })).toMatchObject({ status: 301, headers: { location: publicUrl + path } })
    expect(await ask(url + path, { method: 'POST', body: 'x' })).toMatchObject({
      status: 308,
      headers: { location: publicUrl + path },
    })
    for (const other of ['/', '/v2/', '/v1/images/a/b', '/files/x/y', '/blobs/sha256/00', '//evil.example/x', '/apiary'])
      expect((await ask(`${url}${other}`)).headers.location, other).toBe(publicUrl + other)
    expect(await askRaw(world.house.host, 'GET /a/%2e%2e/b HTTP/1.0\r\n\r\n')).toContain(`Location: ${publicUrl}/a/%2e%2e/b\r\n`)
    expect(world.upstream.requests).toEqual([])
  })

  test('answers who looks how it is doing', async () => {
    await using world = await createWorld({ house: withTwoDoors() })
    for (const path of ['/healthz', '/readyz', '/metrics'])
      expect(await ask(world.house.url + path)).toMatchObject({ status: 200 })
  })

  test('leaves those alone whom a trusted proxy speaks for who came by https', async () => {
    await using world = await createWorld({ house: withTwoDoors({ trustedProxies: ['127.0.0.1'] }) })
    world.upstream.push('lab/tool', image(), 'v1')
    const secure = { headers: { 'x-forwarded-proto': 'https' } }
    expect(await ask(world.manifest('lab/tool', 'v1'), secure)).toMatchObject({ status: 200 })
    expect(await ask(world.manifest('lab/tool', 'v1'))).toMatchObject({ status: 301 })
  })

  test('leaves clients of shub alone, which follow nothing', async () => {
    const port = await deadPort()
    const listen = { host: '127.0.0.1', port, redirect: true }
    await using world = await createShubWorld({ house: { more: { listen, publicUrl } } })
    expect(await ask(`${world.house.url}/api/container/nobody/nothing:none`)).toMatchObject({ status: 404 })
    expect(await ask(`${world.house.url}/shub/hub.example/api/container/nobody/nothing:none`)).toMatchObject({ status: 404 })
    expect(await ask(`${world.house.url}/v2/`)).toMatchObject({ status: 301 })
  })
})

describe('CONNECT', () => {
  const asked = 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n'

  test('is refused with a line that says why, and others are served on', async () => {
    await using world = await createWorld()
    expect(await askRaw(world.house.host, asked)).toMatch(/^HTTP\/1\.1 405 [\s\S]*not a proxy for other hosts/)
    expect(await ask(`${world.house.url}/v2/`)).toMatchObject({ status: 200 })
  })

  test('is refused over HTTP/2 too', async () => {
    await using world = await createWorld({ house: withTwoDoors({ listen: { port: 0, tls: tlsFiles('server') } }) })
    await using client = await connectH2(world.house.url)
    const stream = client.session.request({ ':method': 'CONNECT', ':authority': 'example.org:443' })
    const status = await new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])))
    stream.close()
    expect(status).toBe(405)
    expect(await client.ask('/v2/')).toMatchObject({ status: 200 })
  })
})
