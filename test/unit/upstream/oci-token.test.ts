import { beforeEach, describe, expect, test } from 'vitest'
import { parseChallenges } from '../../../src/formats/auth-challenge.ts'
import type { Http, HttpRequest, HttpResponse } from '../../../src/system/http.ts'
import type { Credentials } from '../../../src/upstream/credentials.ts'
import { createTokens, type Tokens } from '../../../src/upstream/oci-token.ts'
import { calm, faultOf } from '../../kit/bytes.ts'
import { createHandClock, type HandClock } from '../../kit/hand-clock.ts'

const upstream = new URL('https://registry-1.docker.io')
const ada: Credentials = { kind: 'password', username: 'ada', password: 'secret' }
const scope = 'repository:lab/tool:pull'

let clock: HandClock
let asked: HttpRequest[]
let answer: (request: HttpRequest) => { status?: number; json?: unknown }
let tokens: Tokens

beforeEach(() => {
  clock = createHandClock()
  asked = []
  answer = () => ({ json: { token: `token-${asked.length}`, expires_in: 300 } })
  const http: Pick<Http, 'request'> = {
    async request(request) {
      asked.push(request)
      const { status = 200, json } = answer(request)
      const bytes = Buffer.from(JSON.stringify(json ?? {}))
      return { status, url: request.url, bytes: async () => bytes, discard: async () => {} } as unknown as HttpResponse
    },
  }
  tokens = createTokens({ http: http as Http, clock, upstream, realms: ['login.elsewhere.example'] })
})

const get = (realm = 'https://auth.docker.io/token', who?: Credentials, of = scope, more = ',service="registry"') =>
  tokens.get(parseChallenges([`Bearer realm="${realm}"${more}`])[0]!, of, who, calm)

describe('a token', () => {
  test('is asked for with service and scope, and kept until shortly before its end', async () => {
    expect(await get()).toBe('token-1')
    expect(asked[0]!.url.href).toBe('https://auth.docker.io/token?service=registry&scope=repository%3Alab%2Ftool%3Apull')
    await clock.advance(289_000)
    expect(await get()).toBe('token-1')
    await clock.advance(1_000)
    expect(await get()).toBe('token-2')
  })

  test('without a life span lives a minute', async () => {
    answer = () => ({ json: { access_token: `token-${asked.length}` } })
    await get()
    await clock.advance(49_999)
    expect(await get()).toBe('token-1')
    await clock.advance(1)
    expect(await get()).toBe('token-2')
  })

  test('is of one scope and one user', async () => {
    expect(await get()).toBe('token-1')
    expect(await get(undefined, ada)).toBe('token-2')
    expect(await get(undefined, undefined, 'repository:lab/other:pull')).toBe('token-3')
    expect(await get()).toBe('token-1')
    expect(asked.map(({ headers }) => headers?.authorization)).toEqual([
      undefined,
      `Basic ${Buffer.from('ada:secret').toString('base64')}`,
      undefined,
    ])
  })

  test('that was refused is forgotten', async () => {
    await get()
    tokens.drop('token-1')
    tokens.drop('never seen')
    expect(await get()).toBe('token-2')
  })

  test('is fetched once for all who ask at once', async () => {
    expect(await Promise.all(Array.from({ length: 10 }, () => get()))).toEqual(Array(10).fill('token-1'))
    expect(asked).toHaveLength(1)
  })

  test('a query of the realm stays', async () => {
    await get('https://auth.docker.io/token?account=x')
    expect(asked[0]!.url.searchParams.get('account')).toBe('x')
  })

  test('a refresh token goes by POST, and by GET where the realm will not have that', async () => {
    const who: Credentials = { kind: 'identity', token: 'refresh' }
    await get(undefined, who)
    expect(asked[0]).toMatchObject({ method: 'POST' })
    const form = new URLSearchParams(asked[0]!.body)
    expect(Object.fromEntries(form)).toMatchObject({ grant_type: 'refresh_token', refresh_token: 'refresh', scope })
    expect(asked[0]!.url.search).toBe('')
    answer = ({ method }) => (method === 'POST' ? { status: 405 } : { json: { token: 'by-get' } })
    expect(await get(undefined, who, 'repository:b:pull')).toBe('by-get')
  })

  test.each([{}, { token: '' }, { token: 7 }, { token: 'a\r\nX-Evil: 1' }, { token: 'ä' }, [], null])(
    'an answer %j holds none',
    async (json) => {
      answer = () => ({ json })
      expect(await faultOf(get())).toBe('upstream-invalid')
    },
  )
})

describe('a realm that refuses', () => {
  test.each([
    [401, 'upstream-refused'],
    [403, 'upstream-refused'],
    [429, 'upstream-limited'],
  ])('with %d is not asked again for five seconds', async (status, want) => {
    answer = () => ({ status })
    expect(await faultOf(get())).toBe(want)
    expect(await faultOf(get())).toBe(want)
    expect(asked).toHaveLength(1)
    await clock.advance(5_000)
    answer = () => ({ json: { token: 'now' } })
    expect(await get()).toBe('now')
  })

  test('with 503 may work the next moment: that was not tried for five seconds', async () => {
    answer = () => ({ status: 503 })
    expect(await faultOf(get())).toBe('upstream-status')
    answer = () => ({ json: { token: 'now' } })
    expect(await get()).toBe('now')
  })
})

describe('where credentials go', () => {
  test.each([
    'https://auth.docker.io/token',
    'https://registry-1.docker.io/token',
    'https://docker.io/token',
    'https://login.elsewhere.example/oauth',
  ])('to %s', async (realm) => expect(await faultOf(get(realm, ada))).toBeUndefined())

  test.each([
    'https://evil.example/token',
    'https://docker.io.evil.example/token',
    'https://evildocker.io/token',
    'http://auth.docker.io/token',
    'ftp://auth.docker.io/token',
    'https://10.0.0.1/token',
    'https://auth.docker.io@evil.example/',
  ])('not to %s', async (realm) => {
    expect(await faultOf(get(realm, ada))).toBe('outbound-blocked')
    expect(asked).toEqual([])
  })

  test.each(['', 'token', '//x', '/v2/token'])('a realm %j is none', async (realm) => {
    expect(await faultOf(get(realm, ada))).toBe('upstream-invalid')
  })

  test('two names below one public suffix are not one domain', async () => {
    const http = { request: async () => Promise.reject(new Error('asked')), mayLearn: () => false, close: async () => {} }
    const tokensOf = (host: string) => createTokens({ http, clock, upstream: new URL(`https://${host}`), realms: [] })
    const challenge = (host: string) => parseChallenges([`Bearer realm="https://${host}/t"`])[0]!
    expect(await faultOf(tokensOf('registry.a.co.uk').get(challenge('auth.b.co.uk'), scope, ada, calm))).toBe('outbound-blocked')
    expect(await faultOf(tokensOf('192.0.2.7').get(challenge('192.1.2.7'), scope, ada, calm))).toBe('outbound-blocked')
    await expect(tokensOf('registry.a.co.uk').get(challenge('auth.a.co.uk'), scope, ada, calm)).rejects.toThrow('asked')
  })
})
