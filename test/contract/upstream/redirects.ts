import { describe, expect, test } from 'vitest'
import { faultOf } from '../../kit/bytes.ts'
import type { FakeUpstream } from '../../kit/fake-upstream.ts'
import { asking, blobNamed } from '../../kit/questions.ts'
import type { OpenOptions, UpstreamBench } from './bench.ts'

/** Where an upstream may lead us. */
export function redirectPromises(bench: UpstreamBench): void {
  const { start, fetchOf, found, layer, app } = bench

  describe('redirects', () => {
    const toCdn = (fake: FakeUpstream): OpenOptions => ({ allow: [fake.cdn.host] })

    test.each([301, 302, 303, 307, 308] as const)('a %d is followed', async (status) => {
      const upstream = await start({ redirect: { status, manifests: true } }, toCdn)
      expect((await fetchOf(upstream)).equals(layer.bytes)).toBe(true)
      expect((await found(upstream, app.manifest.digest)).size).toBe(app.manifest.bytes.length)
      expect(await upstream.resolve(blobNamed(layer.digest), asking())).toMatchObject({ artifact: { size: 300_000 } })
    })

    test('Authorization stays behind when the origin changes', async () => {
      const ada = { kind: 'password', username: 'ada', password: 'secret' } as const
      const upstream = await start({ auth: { kind: 'basic', users: { ada: 'secret' } }, redirect: {} }, (fake) => ({
        ...toCdn(fake),
        credentials: ada,
      }))
      expect((await fetchOf(upstream)).equals(layer.bytes)).toBe(true)
      expect(bench.registry.cdn.sawAuthorization).toBe(false)
    })

    test('a range goes along with a redirect', async () => {
      const upstream = await start({ redirect: {} }, toCdn)
      expect((await fetchOf(upstream, { range: { start: 100, end: 200 } })).equals(layer.bytes.subarray(100, 200))).toBe(true)
    })

    test('an expired URL is asked for again at the registry', async () => {
      const upstream = await start({ redirect: {} }, toCdn)
      await fetchOf(upstream)
      bench.registry.cdn.expireUrls()
      expect((await fetchOf(upstream)).equals(layer.bytes)).toBe(true)
    })

    test('private places are not gone to unless they are named', async () => {
      const upstream = await start({ redirect: {} })
      expect(await faultOf(fetchOf(upstream))).toBe('outbound-blocked')
      expect(bench.registry.count({ on: 'cdn' })).toBe(0)
    })

    test.each([
      'http://localhost:1/x',
      'http://[::1]:1/x',
      'http://[::ffff:7f00:1]:1/',
      'http://169.254.169.254/latest',
      'http://10.0.0.1/',
      'http://127.1:1/',
      'http://0x7f000001/',
      'ftp://example.com/x',
      'file:///etc/passwd',
    ])('nobody is led to %s', async (to) => {
      const upstream = await start({ redirect: { to: () => to } })
      expect(await faultOf(fetchOf(upstream))).toBe('outbound-blocked')
    })

    test('a circle ends', async () => {
      const upstream = await start({ redirect: { to: 'circle' } })
      expect(await faultOf(fetchOf(upstream))).toBe('upstream-invalid')
      expect(bench.registry.requests.length).toBeLessThan(12)
    })

    test('a Location that is no URL is a mistake of the upstream', async () => {
      const upstream = await start({ redirect: { to: () => 'http://[oops' } })
      expect(await faultOf(fetchOf(upstream))).toBe('upstream-invalid')
    })
  })
}
