import { afterEach, expect, test } from 'vitest'
import { ask } from '../../kit/ask.ts'
import { blob } from '../../kit/blobs.ts'
import { createFakeUpstream, type FakeUpstream, type FakeUpstreamOptions } from '../../kit/fake-upstream.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'

expectNoLeaks()

let upstream: FakeUpstream
afterEach(() => upstream.close())

const layer = blob(5_000, 'layer')

async function withLayer(options: FakeUpstreamOptions): Promise<string> {
  upstream = await createFakeUpstream(options)
  upstream.pushBlob('lab/tool', layer)
  return `${upstream.url}/v2/lab/tool/blobs/${layer.digest}`
}

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

async function tokenFor(scope: string, authorization?: string): Promise<string> {
  const reply = await ask(`${upstream.url}/token?service=fake-registry&scope=${scope}`, {
    headers: authorization ? { authorization } : {},
  })
  return reply.status === 200 ? JSON.parse(reply.body.toString()).token : `refused with ${reply.status}`
}

test('a bearer registry wants a token of its realm for the right repository', async () => {
  const url = await withLayer({ auth: { kind: 'bearer' } })
  const refused = await ask(url)
  expect(refused.status).toBe(401)
  expect(refused.headers['www-authenticate']).toBe(
    `Bearer realm="${upstream.url}/token",service="fake-registry",scope="repository:lab/tool:pull"`,
  )
  const other = await tokenFor('repository:lab/other:pull')
  const wrongScope = await ask(url, { headers: { authorization: `Bearer ${other}` } })
  expect([wrongScope.status, wrongScope.headers['www-authenticate']]).toEqual([
    401,
    expect.stringContaining('insufficient_scope'),
  ])
  const token = await tokenFor('repository:lab/tool:pull')
  expect((await ask(url, { headers: { authorization: `Bearer ${token}` } })).sha256).toBe(layer.digest)
  upstream.expireTokens()
  expect((await ask(url, { headers: { authorization: `Bearer ${token}` } })).status).toBe(401)
})

test('a realm knows its users', async () => {
  await withLayer({ auth: { kind: 'bearer', users: { ada: 'secret' }, anonymous: false } })
  expect(await tokenFor('repository:lab/tool:pull')).toBe('refused with 401')
  expect(await tokenFor('repository:lab/tool:pull', basic('ada', 'wrong'))).toBe('refused with 401')
  expect(await tokenFor('repository:lab/tool:pull', basic('ada', 'secret'))).not.toContain('refused')
  expect(upstream.tokens.map(({ user }) => user)).toEqual(['ada'])
})

test('a realm that only takes POST takes an identity token', async () => {
  await withLayer({ auth: { kind: 'bearer', methods: ['POST'], identityTokens: { 'refresh-me': 'ada' }, field: 'access_token' } })
  expect(await tokenFor('repository:lab/tool:pull')).toBe('refused with 405')
  const reply = await ask(`${upstream.url}/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=refresh_token&refresh_token=refresh-me&service=fake-registry&scope=repository:lab/tool:pull',
  })
  expect(JSON.parse(reply.body.toString())).toHaveProperty('access_token')
})

test('a basic registry lets its users in', async () => {
  const url = await withLayer({ auth: { kind: 'basic', users: { ada: 'secret' } } })
  expect((await ask(url)).headers['www-authenticate']).toMatch(/^Basic realm=/)
  expect((await ask(url, { headers: { authorization: basic('ada', 'secret') } })).status).toBe(200)
})

test('blobs are redirected to a signed URL that expires and refuses Authorization', async () => {
  const url = await withLayer({ redirect: {} })
  const moved = await ask(url)
  expect(moved.status).toBe(307)
  const location = String(moved.headers.location)
  expect(new URL(location).host).toBe(upstream.cdn.host)
  expect((await ask(location)).sha256).toBe(layer.digest)
  expect(upstream.cdn.sawAuthorization).toBe(false)
  expect((await ask(location, { headers: { authorization: 'Bearer x' } })).status).toBe(400)
  expect(upstream.cdn.sawAuthorization).toBe(true)
  upstream.cdn.expireUrls()
  expect((await ask(location)).status).toBe(403)
  expect(upstream.bodies(layer.digest)).toBe(1)
})

test('a circle leads round and round, a relative redirect to the bytes', async () => {
  const url = await withLayer({ redirect: { to: 'circle' } })
  const first = String((await ask(url)).headers.location)
  const second = String((await ask(upstream.url + first)).headers.location)
  expect((await ask(upstream.url + second)).status).toBe(307)
  await upstream.close()
  const relative = String((await ask(await withLayer({ redirect: { to: 'same', status: 302 } }))).headers.location)
  expect(relative).toMatch(/^\//)
  expect((await ask(upstream.url + relative)).sha256).toBe(layer.digest)
})
