import { describe, expect, test } from 'vitest'
import type { Credentials } from '../../../src/upstream/credentials.ts'
import { faultOf } from '../../kit/bytes.ts'
import { createFakeUpstream } from '../../kit/fake-upstream.ts'
import { asking, manifestNamed } from '../../kit/questions.ts'
import type { UpstreamBench } from './bench.ts'

/** Tokens, passwords, and where they go. */
export function loginPromises(bench: UpstreamBench): void {
  const { start, fetchOf, found, layer, app } = bench

  describe('logging in', () => {
    const users = { ada: 'secret' }
    const ada: Credentials = { kind: 'password', username: 'ada', password: 'secret' }

    test('many questions at once fetch one token', async () => {
      const upstream = await start({ auth: { kind: 'bearer' } })
      await Promise.all(Array.from({ length: 20 }, () => upstream.resolve(manifestNamed('v1'), asking())))
      expect(bench.registry.count({ path: '/token' })).toBe(1)
      expect((await fetchOf(upstream)).equals(layer.bytes)).toBe(true)
      expect(bench.registry.count({ path: '/token' })).toBe(1)
      expect(bench.registry.tokens[0]!.scope).toBe('repository:lab/tool:pull')
    })

    test('the next question is ready for the challenge, also in another repository', async () => {
      const upstream = await start({ auth: { kind: 'bearer' } })
      bench.registry.push('lab/other', app, 'v1')
      await found(upstream, 'v1')
      const before = bench.registry.requests.length
      await upstream.resolve(manifestNamed('v1', 'lab/other'), asking())
      expect(bench.registry.requests.slice(before).map(({ on, status }) => `${on} ${status}`)).toEqual([
        'realm 200',
        'registry 200',
      ])
    })

    test('a token that the registry takes back is replaced', async () => {
      const upstream = await start({ auth: { kind: 'bearer' } })
      await found(upstream, 'v1')
      bench.registry.expireTokens()
      expect((await fetchOf(upstream)).equals(layer.bytes)).toBe(true)
      expect(bench.registry.count({ path: '/token' })).toBe(2)
    })

    test.each([
      { kind: 'GET and a password', auth: { methods: ['GET'] as const }, credentials: ada },
      {
        kind: 'POST and a refresh token',
        auth: { methods: ['POST'] as const, identityTokens: { r1: 'ada' } },
        credentials: { kind: 'identity', token: 'r1' } as const,
      },
      { kind: 'access_token', auth: { field: 'access_token' as const }, credentials: ada },
      { kind: 'no life span', auth: { expiresIn: 'unsaid' as const }, credentials: ada },
      { kind: 'no service', auth: { service: undefined }, credentials: ada },
      { kind: 'a placeholder for a scope', auth: { scope: 'repository:user/image:pull' }, credentials: ada },
    ])('a realm with $kind lets its user in', async ({ auth, credentials }) => {
      const isPrivate = () => true
      const upstream = await start({ auth: { kind: 'bearer', users, anonymous: false, isPrivate, ...auth } }, { credentials })
      expect((await found(upstream, 'v1')).digests).toEqual([app.manifest.digest])
      expect(bench.registry.tokens.at(-1)!.user).toBe('ada')
    })

    test('Basic is answered with the password, once', async () => {
      const upstream = await start({ auth: { kind: 'basic', users } }, { credentials: ada })
      await found(upstream, 'v1')
      expect((await fetchOf(upstream)).equals(layer.bytes)).toBe(true)
      expect(bench.registry.requests.map(({ status }) => status).filter((status) => status === 401).length).toBe(1)
    })

    test.each([
      {
        kind: 'a wrong password at the registry',
        auth: { kind: 'basic', users } as const,
        credentials: { ...ada, password: 'no' },
      },
      { kind: 'no password for Basic', auth: { kind: 'basic', users } as const, credentials: undefined },
      {
        kind: 'a wrong password at the realm',
        auth: { kind: 'bearer', users } as const,
        credentials: { ...ada, password: 'no' },
      },
      {
        kind: 'no password where it needs one',
        auth: { kind: 'bearer', users, anonymous: false } as const,
        credentials: undefined,
      },
      {
        kind: 'a token that may not read this',
        auth: { kind: 'bearer', users, isPrivate: () => true } as const,
        credentials: undefined,
      },
      {
        kind: 'a refresh token nobody knows',
        auth: { kind: 'bearer', users, methods: ['POST'] } as const,
        credentials: { kind: 'identity', token: 'x' } as const,
      },
    ])('$kind is refused in few questions', async ({ auth, credentials }) => {
      const upstream = await start({ auth }, { credentials })
      expect(await faultOf(upstream.resolve(manifestNamed('v1'), asking()))).toBe('upstream-refused')
      expect(bench.registry.requests.length).toBeLessThanOrEqual(5)
    })

    test('a wrong password is not tried again at once', async () => {
      const upstream = await start({ auth: { kind: 'bearer', users } }, { credentials: { ...ada, password: 'no' } })
      for (let at = 0; at < 10; at++) expect(await faultOf(fetchOf(upstream))).toBe('upstream-refused')
      expect(bench.registry.count({ path: '/token' })).toBe(1)
    })

    test('a realm that fails for a moment is asked again', async () => {
      const upstream = await start({ auth: { kind: 'bearer' } })
      bench.registry.fault({ on: 'realm', nth: 1 }, { reset: true })
      bench.registry.fault({ on: 'realm', nth: 2 }, { status: 503 })
      expect((await found(upstream, 'v1')).digests).toEqual([app.manifest.digest])
    })

    test('a realm that nobody may be sent to is forgotten once the registry names a good one', async () => {
      const upstream = await start({ auth: { kind: 'bearer' } })
      const headers = { 'www-authenticate': 'Bearer realm="http://169.254.169.254/token"' }
      const wrong = bench.registry.fault({ on: 'registry' }, { status: 401, headers })
      for (let at = 0; at < 2; at++)
        expect(await faultOf(upstream.resolve(manifestNamed('v1'), asking()))).toBe('outbound-blocked')
      wrong.remove()
      expect((await found(upstream, 'v1')).digests).toEqual([app.manifest.digest])
    })

    test('credentials are not sent to a realm elsewhere unless it is named', async () => {
      const thief = await createFakeUpstream({ auth: { kind: 'bearer', users } })
      try {
        const realm = `${thief.url.replace('127.0.0.1', 'localhost')}/token`
        const upstream = await start(
          { auth: { kind: 'bearer', users, realm } },
          { credentials: ada, allow: [`localhost:${thief.host.split(':')[1]}`] },
        )
        expect(await faultOf(upstream.resolve(manifestNamed('v1'), asking()))).toBe('outbound-blocked')
        expect(thief.requests).toHaveLength(0)
        await bench.opened.close()
        bench.opened = bench.openOn(new URL(bench.registry.url), {
          credentials: ada,
          allow: [`localhost:${thief.host.split(':')[1]}`],
          realms: ['localhost'],
        })
        await bench.opened.upstream.resolve(manifestNamed('v1'), asking()).catch(() => {})
        expect(thief.requests.length).toBeGreaterThan(0)
      } finally {
        await thief.close()
      }
    })
  })
}
