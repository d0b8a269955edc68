import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { startHouse } from '../kit/house.ts'
import { createHurriedClock } from '../kit/hurried-clock.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { deadPort } from '../kit/ports.ts'
import { createWorld, lab, urlsOf, type World, type WorldOptions } from '../kit/world.ts'

expectNoLeaks()

const tool = image({ seed: 'stale' })
const moved = image({ seed: 'moved' })

/** Pauses between tries are short; the answer deadline is not, as a busy machine is no slow upstream. */
const hurried: WorldOptions = { clock: createHurriedClock(20), house: { more: { catalog: { answerDeadline: '400s' } } } }

/** A world that knows the tag and must ask about it again at every request. */
async function worldThatKnows(options: WorldOptions = hurried): Promise<World & { tag: string }> {
  const world = await createWorld({ ...options, settings: { freshFor: '0s', ...options.settings } })
  world.upstream.push('lab/tool', tool, 'v1')
  const tag = world.manifest('lab/tool', 'v1')
  await ask(tag)
  for (const { digest } of tool.blobs) await ask(world.blob('lab/tool', digest))
  return Object.assign(world, { tag })
}

async function expectStale(url: string): Promise<void> {
  const reply = await ask(url)
  expect([reply.status, reply.sha256, reply.end]).toEqual([200, tool.manifest.digest, 'clean'])
  expect(reply.headers['cache-status']).toMatch(/^forebay; *(hit|fwd=stale)/)
  expect(reply.headers['cache-status']).toContain('fwd=stale')
  expect(reply.headers.warning).toMatch(/^(110|111|299) \S+ "[^"]+"/)
  expect(reply.headers.age).toMatch(/^\d+$/)
  const head = await ask(url, { method: 'HEAD' })
  expect([head.status, head.headers['docker-content-digest']]).toEqual([200, tool.manifest.digest])
  expect(head.headers['content-length']).toBe(String(tool.manifest.bytes.length))
}

describe('a known tag whose upstream', () => {
  test.each([500, 502, 503, 504, 429, 408])('answers %i is served stale, and says so', async (status) => {
    await using world = await worldThatKnows()
    world.upstream.fault({}, { status, headers: { 'retry-after': '60' } })
    await expectStale(world.tag)
  })

  test('refuses connections is served stale, with everything it names', async () => {
    await using world = await worldThatKnows()
    await world.upstream.refuse()
    await expectStale(world.tag)
    for (const { digest } of tool.blobs) expect((await ask(world.blob('lab/tool', digest))).sha256).toBe(digest)
  })

  test('hangs up is served stale', async () => {
    await using world = await worldThatKnows()
    world.upstream.fault({}, { reset: true })
    await expectStale(world.tag)
  })

  test('answers nonsense is served stale', async () => {
    await using world = await worldThatKnows()
    world.upstream.push('lab/tool', moved, 'v1')
    world.upstream.fault({ path: '/manifests/', method: 'GET' }, { flipAt: 3 })
    await expectStale(world.tag)
    world.upstream.heal()
  })

  test('is slow is served stale after the answer deadline, and revalidated behind', async () => {
    await using world = await worldThatKnows({})
    world.upstream.push('lab/tool', moved, 'v1')
    const gate = world.upstream.hold({ path: '/manifests/' })
    const startedAt = performance.now()
    await expectStale(world.tag)
    const first = performance.now() - startedAt
    expect(first).toBeGreaterThan(1_500)
    gate.open()
    await world.upstream.seen({ path: '/manifests/', method: 'GET' }, 2)
    await world.upstream.quiet()
    expect((await ask(world.tag)).sha256).toBe(moved.manifest.digest)
  })

  test('recovers is asked again soon', async () => {
    await using world = await worldThatKnows()
    await world.upstream.refuse()
    await expectStale(world.tag)
    await world.upstream.reopen()
    world.upstream.push('lab/tool', moved, 'v1')
    expect((await ask(world.tag, { headers: { 'cache-control': 'no-cache' } })).sha256).toBe(moved.manifest.digest)
  })

  test('has failed for longer than staleIfError is a 502', async () => {
    await using world = await worldThatKnows({ ...hurried, settings: { staleIfError: '0s' } })
    await world.upstream.refuse()
    expect((await ask(world.tag)).status).toBe(502)
  })

  test('says 404, 401 or 403 is believed, not covered up', async () => {
    for (const [says, answered] of [
      [404, 404],
      [403, 403],
    ] as const) {
      await using world = await worldThatKnows()
      world.upstream.fault({ path: '/manifests/' }, { status: says })
      expect((await ask(world.tag)).status).toBe(answered)
    }
  })
})

describe('an upstream that is set to be offline', () => {
  test('is never asked: what is known is served stale, and of the rest nothing is known', async () => {
    await using world = await worldThatKnows()
    const { storePath } = world.house
    await world.house.stop({ keep: true })
    const asked = world.upstream.requests.length
    await using house = await startHouse({
      upstreams: { [lab]: { url: world.upstream.url, freshFor: '0s', offline: true } },
      defaults: { oci: lab },
      storePath,
    })
    const here = urlsOf(house.url)
    world.upstream.push('lab/tool', moved, 'v2')
    await expectStale(here.manifest('lab/tool', 'v1'))
    for (const { digest } of tool.blobs) expect((await ask(here.blob('lab/tool', digest))).sha256).toBe(digest)
    const unknown = [here.manifest('lab/tool', 'v2'), here.manifest('lab/tool', moved.manifest.digest)]
    unknown.push(here.blob('lab/tool', moved.blobs[1]!.digest))
    for (const url of unknown) expect([url, (await ask(url)).status]).toEqual([url, 404])
    expect(world.upstream.requests.length).toBe(asked)
  })
})

describe('a house without an upstream', () => {
  test('whose name does not resolve serves what it knows, after a restart too', async () => {
    await using world = await worldThatKnows()
    const { storePath } = world.house
    await world.house.stop({ keep: true })
    await using house = await startHouse({
      upstreams: { [lab]: { url: 'https://no-such-registry.invalid', freshFor: '0s' } },
      defaults: { oci: lab },
      storePath,
    })
    const here = urlsOf(house.url)
    await expectStale(here.manifest('lab/tool', 'v1'))
    for (const { digest } of tool.blobs) expect((await ask(here.blob('lab/tool', digest))).sha256).toBe(digest)
    expect((await ask(here.manifest('lab/tool', 'v2'))).status).toBe(502)
  })

  test('starts, is ready and says 502 for what it does not have', async () => {
    await using house = await startHouse({
      upstreams: { [lab]: { url: `http://127.0.0.1:${await deadPort()}` } },
      defaults: { oci: lab },
    })
    expect((await ask(`${house.url}/healthz`)).status).toBe(200)
    expect((await ask(`${house.url}/readyz`)).status).toBe(200)
    expect((await ask(`${house.url}/v2/`)).status).toBe(200)
    const cold = await ask(urlsOf(house.url).manifest('lab/tool', 'v1'))
    expect([cold.status, cold.end]).toEqual([502, 'clean'])
  })

  test('lists the tags it holds', async () => {
    await using world = await worldThatKnows()
    await world.upstream.refuse()
    const reply = await ask(`${world.house.url}/v2/${lab}/lab/tool/tags/list`)
    expect([reply.status, JSON.parse(reply.body.toString()).tags]).toEqual([200, ['v1']])
  })
})
