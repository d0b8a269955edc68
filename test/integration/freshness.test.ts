import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { untilHeld } from '../kit/disk.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createWorld, type World, type WorldOptions } from '../kit/world.ts'

expectNoLeaks()

const before = image({ seed: 'before' })
const after = image({ seed: 'after' })
const manifests = { path: '/manifests/' } as const

async function worldWithTag(options: WorldOptions = {}): Promise<World & { tag: string }> {
  const { catalog } = (options.house?.more ?? {}) as { catalog?: object }
  const more = { ...options.house?.more, catalog: { answerDeadline: '40s', ...catalog } } // a busy machine is no slow upstream
  const world = await createWorld({ ...options, house: { ...options.house, more } })
  world.upstream.push('lab/tool', before, 'v1')
  return Object.assign(world, { tag: world.manifest('lab/tool', 'v1') })
}

const asked = ({ upstream }: World, method: 'GET' | 'HEAD') => upstream.count({ ...manifests, method })
const noCache = { headers: { 'cache-control': 'no-cache' } }

describe('a tag', () => {
  test('is trusted for freshFor without asking', async () => {
    await using world = await worldWithTag({ settings: { freshFor: '1h' } })
    expect((await ask(world.tag)).headers['cache-status']).toMatch(/^forebay; *fwd=/)
    const count = world.upstream.requests.length
    const again = await ask(world.tag)
    expect([again.sha256, world.upstream.requests.length]).toEqual([before.manifest.digest, count])
    expect(again.headers['cache-status']).toMatch(/^forebay; *hit/)
    expect((await ask(world.tag, { method: 'HEAD' })).headers['docker-content-digest']).toBe(before.manifest.digest)
    expect(world.upstream.requests.length).toBe(count)
  })

  test('past it is confirmed by one HEAD, however many ask', async () => {
    await using world = await worldWithTag({ settings: { freshFor: '0s' } })
    await ask(world.tag)
    const gets = asked(world, 'GET')
    const gate = world.upstream.hold({ ...manifests, method: 'HEAD' })
    const replies = Array.from({ length: 20 }, () => ask(world.tag))
    await gate.arrived()
    await world.house.requestsOpen(20)
    gate.open()
    for (const reply of await Promise.all(replies)) expect(reply.sha256).toBe(before.manifest.digest)
    expect([asked(world, 'HEAD'), asked(world, 'GET')]).toEqual([1, gets])
  })

  test('that moved is found out, and its old digest is served on', async () => {
    await using world = await worldWithTag({ settings: { freshFor: '0s' } })
    await ask(world.tag)
    world.upstream.push('lab/tool', after, 'v1')
    const reply = await ask(world.tag)
    expect([reply.sha256, reply.headers['docker-content-digest']]).toEqual([after.manifest.digest, after.manifest.digest])
    const count = world.upstream.requests.length
    const old = await ask(world.manifest('lab/tool', before.manifest.digest))
    expect([old.status, old.sha256]).toEqual([200, before.manifest.digest])
    expect(world.upstream.requests.length).toBe(count)
  })

  test('is asked for now when the client says no-cache', async () => {
    await using world = await worldWithTag({ settings: { freshFor: '1h' } })
    await ask(world.tag)
    world.upstream.push('lab/tool', after, 'v1')
    expect((await ask(world.tag)).sha256).toBe(before.manifest.digest)
    expect((await ask(world.tag, noCache)).sha256).toBe(after.manifest.digest)
    expect((await ask(world.tag)).sha256).toBe(after.manifest.digest)
  })

  test('that is gone upstream is 404 after it was asked for again', async () => {
    await using world = await worldWithTag({ settings: { freshFor: '0s' } })
    await ask(world.tag)
    world.upstream.untag('lab/tool', 'v1')
    expect((await ask(world.tag)).status).toBe(404)
  })

  test('asked for with If-None-Match is 304 while it means the same, 200 when it moved', async () => {
    await using world = await worldWithTag({ settings: { freshFor: '0s' } })
    const { etag } = (await ask(world.tag)).headers
    expect(etag).toBe(`"${before.manifest.digest}"`)
    const same = await ask(world.tag, { headers: { 'if-none-match': etag } })
    expect([same.status, same.body.length, same.headers.etag]).toEqual([304, 0, etag])
    world.upstream.push('lab/tool', after, 'v1')
    expect((await ask(world.tag, { headers: { 'if-none-match': etag } })).status).toBe(200)
  })
})

describe('what is named by digest', () => {
  test('is never asked for again, whatever freshFor says and even under no-cache', async () => {
    await using world = await worldWithTag({ settings: { freshFor: '0s' } })
    const config = before.blobs[0]!.digest
    const urls = [world.manifest('lab/tool', before.manifest.digest), world.blob('lab/tool', config)]
    for (const url of urls) await ask(url)
    await untilHeld(world.house.storePath, config) // else it is a miss that joins
    const count = world.upstream.requests.length
    for (const url of urls) {
      expect((await ask(url)).headers['cache-status']).toMatch(/^forebay; *hit/)
      expect((await ask(url, { method: 'HEAD' })).status).toBe(200)
      expect((await ask(url, noCache)).status).toBe(200)
    }
    expect(world.upstream.requests.length).toBe(count)
  })

  test('says it is immutable, a tag does not', async () => {
    await using world = await worldWithTag()
    const tag = await ask(world.tag)
    const digest = await ask(world.manifest('lab/tool', before.manifest.digest))
    const blob = await ask(world.blob('lab/tool', before.blobs[1]!.digest))
    expect(digest.headers['cache-control']).toContain('immutable')
    expect(blob.headers['cache-control']).toContain('immutable')
    expect(tag.headers['cache-control'] ?? '').not.toContain('immutable')
  })
})

describe('a name that is not there', () => {
  test('is not asked for again for a moment', async () => {
    await using world = await worldWithTag()
    const url = world.manifest('lab/tool', 'nope')
    expect((await ask(url)).status).toBe(404)
    const count = world.upstream.requests.length
    for (let at = 0; at < 5; at++) expect((await ask(url)).status).toBe(404)
    expect(world.upstream.requests.length).toBe(count)
  })

  test('is there as soon as the short memory of its absence is over', async () => {
    await using world = await worldWithTag({ house: { more: { catalog: { negativeFor: '200ms' } } } })
    const url = world.manifest('lab/tool', 'soon')
    expect((await ask(url)).status).toBe(404)
    world.upstream.push('lab/tool', after, 'soon')
    await new Promise((go) => setTimeout(go, 300))
    expect((await ask(url)).sha256).toBe(after.manifest.digest)
  })
})
