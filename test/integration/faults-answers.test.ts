import { describe, expect, test } from 'vitest'
import { ask, errorCodes } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { blobsOn } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { createHurriedClock } from '../kit/hurried-clock.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import type { Fault } from '../kit/upstream/rules.ts'
import { createWorld } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(2 * MiB, 'answers')
const tool = image({ seed: 'answers' })

describe('what a cold client gets when the upstream', () => {
  const table: readonly { name: string; fault: Fault; status: number; code?: string }[] = [
    { name: 'answers 429', fault: { status: 429, headers: { 'retry-after': '17' } }, status: 429, code: 'TOOMANYREQUESTS' },
    { name: 'answers 500', fault: { status: 500 }, status: 502 },
    { name: 'answers 503', fault: { status: 503 }, status: 502 },
    { name: 'answers 404', fault: { status: 404 }, status: 404 },
    { name: 'answers 403', fault: { status: 403 }, status: 403, code: 'DENIED' },
    { name: 'answers 401 without a challenge', fault: { status: 401 }, status: 403, code: 'DENIED' },
    { name: 'answers something unheard of', fault: { status: 299, body: 'hm' }, status: 502 },
    { name: 'answers 418', fault: { status: 418 }, status: 502 },
    { name: 'hangs up', fault: { reset: true }, status: 502 },
  ]

  test.each(table)('$name is $status, for a tag, a digest and a blob', async ({ fault, status, code }) => {
    await using world = await createWorld({ clock: createHurriedClock(20) })
    world.upstream.push('lab/tool', tool, 'v1')
    world.upstream.pushBlob('lab/tool', layer)
    world.upstream.fault({ path: 'lab/tool' }, fault)
    const urls = [
      world.manifest('lab/tool', 'v1'),
      world.manifest('lab/tool', tool.manifest.digest),
      world.blob('lab/tool', layer.digest),
    ]
    for (const url of urls) {
      const reply = await ask(url)
      expect([url, reply.status, reply.end]).toEqual([url, status, 'clean'])
      expect(reply.headers['content-type']).toBe('application/json')
      expect(reply.headers['cache-control']).toBe('no-store')
      if (code) expect(errorCodes(reply)).toEqual([code])
      expect((await ask(url, { method: 'HEAD' })).status).toBe(status)
    }
    expect(await blobsOn(world.house.storePath)).toEqual([])
  })

  test('limits us, its Retry-After is passed on', async () => {
    await using world = await createWorld()
    world.upstream.push('lab/tool', tool, 'v1')
    world.upstream.fault({ path: 'lab/tool' }, { status: 429, headers: { 'retry-after': '17' } })
    const reply = await ask(world.manifest('lab/tool', 'v1'))
    expect(reply.status).toBe(429)
    expect(Number(reply.headers['retry-after'])).toBeGreaterThanOrEqual(16)
    expect(Number(reply.headers['retry-after'])).toBeLessThanOrEqual(18)
  })

  test('does not listen is 502', async () => {
    await using world = await createWorld()
    await world.upstream.refuse()
    expect((await ask(world.manifest('lab/tool', 'v1'))).status).toBe(502)
    expect((await ask(world.blob('lab/tool', layer.digest))).status).toBe(502)
  })

  test('has no such name is 404, and a 404 of a blob is not remembered', async () => {
    await using world = await createWorld()
    world.upstream.push('lab/tool', tool, 'v1')
    expect((await ask(world.blob('lab/tool', layer.digest))).status).toBe(404)
    world.upstream.pushBlob('lab/tool', layer)
    expect(await ask(world.blob('lab/tool', layer.digest))).toMatchObject({ status: 200, sha256: layer.digest })
  })
})

describe('redirects', () => {
  test('in a circle end in 502, after few hops', async () => {
    await using world = await createWorld({ upstream: { redirect: { to: 'circle' } } })
    world.upstream.pushBlob('lab/tool', layer)
    const reply = await ask(world.blob('lab/tool', layer.digest))
    expect([reply.status, reply.end]).toEqual([502, 'clean'])
    expect(world.upstream.count({ path: '/circle/', method: 'GET' })).toBeLessThan(40)
  })

  test.each([301, 302, 307, 308] as const)('%i to a signed URL elsewhere is followed without our credentials', async (status) => {
    await using world = await createWorld({ upstream: { redirect: { status }, auth: { kind: 'bearer' } } })
    world.upstream.pushBlob('lab/tool', layer)
    expect(await ask(world.blob('lab/tool', layer.digest))).toMatchObject({ status: 200, sha256: layer.digest })
    expect(world.upstream.cdn.sawAuthorization).toBe(false)
    expect(world.upstream.bodies(layer.digest)).toBe(1)
  })

  test('with a relative Location are followed on the same host', async () => {
    await using world = await createWorld({ upstream: { redirect: { to: 'same' } } })
    world.upstream.pushBlob('lab/tool', layer)
    expect(await ask(world.blob('lab/tool', layer.digest))).toMatchObject({ status: 200, sha256: layer.digest })
  })

  test('of manifests are followed too', async () => {
    await using world = await createWorld({ upstream: { redirect: { manifests: true } } })
    world.upstream.push('lab/tool', tool, 'v1')
    expect(await ask(world.manifest('lab/tool', 'v1'))).toMatchObject({ status: 200, sha256: tool.manifest.digest })
  })

  test('to a private address that nobody configured are refused, and nothing is dialled there', async () => {
    await using inner = await createFakeUpstream()
    inner.pushBlob('data/lab/tool', layer)
    await using world = await createWorld({
      upstream: { redirect: { to: () => `${inner.url}/v2/data/lab/tool/blobs/${layer.digest}` } },
    })
    world.upstream.pushBlob('lab/tool', layer)
    const reply = await ask(world.blob('lab/tool', layer.digest))
    expect([reply.status, reply.end]).toEqual([502, 'clean'])
    expect(inner.requests).toEqual([])
  })

  test.each([
    'http://[::ffff:127.0.0.1]:1/x',
    'http://169.254.169.254/latest/meta-data',
    'file:///etc/passwd',
    'gopher://127.0.0.1/',
    'http://localhost:1/',
  ])('to %s are refused', async (target) => {
    await using world = await createWorld({ upstream: { redirect: { to: () => target } } })
    world.upstream.pushBlob('lab/tool', layer)
    const reply = await ask(world.blob('lab/tool', layer.digest))
    expect([reply.status, reply.end]).toEqual([502, 'clean'])
    expect(reply.body.toString()).not.toContain('root:')
  })
})
