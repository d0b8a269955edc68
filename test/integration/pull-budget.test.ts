import { describe, expect, test } from 'vitest'
import { ask, errorCodes } from '../kit/ask.ts'
import { createHandClock } from '../kit/hand-clock.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createWorld, lab, type World, type WorldOptions } from '../kit/world.ts'

expectNoLeaks()

const before = image({ seed: 'before' })
const after = image({ seed: 'after' })
const other = image({ seed: 'other' })

type Allowing = World & { readonly tag: string; leave(remaining: number): void }

/** A registry that allows a hundred pulls, and a house that knows one of its tags and asks about it each time. */
async function allowingWorld(options: WorldOptions = {}): Promise<Allowing> {
  const world = await createWorld({
    clock: createHandClock(), // what was a moment ago stays so
    ...options,
    upstream: { allowance: { limit: 100 }, ...options.upstream },
    settings: { freshFor: '0s', ...options.settings },
  })
  world.upstream.push('lab/tool', before, 'v1')
  const tag = world.manifest('lab/tool', 'v1')
  expect((await ask(tag)).sha256).toBe(before.manifest.digest)
  const { allowance } = world.upstream
  return Object.assign(world, {
    tag,
    leave(remaining: number) {
      allowance!.remaining = remaining
    },
  })
}

/** Questions about manifests since the last time. */
function counter({ upstream }: World) {
  let seen = { heads: 0, gets: 0 }
  return () => {
    const now = {
      heads: upstream.count({ path: '/manifests/', method: 'HEAD' }),
      gets: upstream.count({ path: '/manifests/', method: 'GET' }),
    }
    const since = { heads: now.heads - seen.heads, gets: now.gets - seen.gets }
    seen = now
    return since
  }
}

async function expectSpared(url: string, remaining: number): Promise<void> {
  const reply = await ask(url)
  expect([reply.status, reply.sha256, reply.end]).toEqual([200, before.manifest.digest, 'clean'])
  expect(reply.headers['cache-status']).toContain('fwd=stale')
  expect(reply.headers.warning).toContain(`it allows ${remaining} of 100 more pulls, and 10 are kept for names`)
}

const noCache = { headers: { 'cache-control': 'no-cache' } }
const remainingOf = ({ house }: World) => house.metric('upstream_budget_remaining', { upstream: lab })

describe('a registry that tells how many more pulls it allows', () => {
  test('has that in the metrics, as it was told last', async () => {
    await using world = await allowingWorld()
    expect([await remainingOf(world), await world.house.metric('upstream_budget_limit', { upstream: lab })]).toEqual([99, 100])
    world.leave(42)
    await ask(world.tag) // a HEAD, which is free, tells too
    expect(await remainingOf(world)).toBe(42)
  })

  test('is asked for a tag that moved while there is more than the reserve', async () => {
    await using world = await allowingWorld()
    world.leave(11)
    world.upstream.push('lab/tool', after, 'v1')
    expect((await ask(world.tag)).sha256).toBe(after.manifest.digest)
    expect(await remainingOf(world)).toBe(10)
  })

  test('is spared a pull of a known tag that moved once only the reserve is left: it is served as last seen', async () => {
    await using world = await allowingWorld()
    const asked = counter(world)
    asked()
    world.leave(10)
    world.upstream.push('lab/tool', after, 'v1')
    await expectSpared(world.tag, 10)
    expect(asked()).toEqual({ heads: 1, gets: 0 })
    await expectSpared(world.tag, 10)
    expect(asked()).toEqual({ heads: 0, gets: 0 }) // it was asked a moment ago
    expect(await world.house.metric('edge_stale_total')).toBe(2)
    const insisted = await ask(world.tag, noCache)
    expect([insisted.sha256, insisted.headers['cache-status']]).toEqual([
      before.manifest.digest,
      expect.stringContaining('fwd=stale'),
    ])
    expect([asked(), await remainingOf(world)]).toEqual([{ heads: 1, gets: 0 }, 10])
  })

  test('is asked by HEAD all the same, and a tag that did not move is fresh again', async () => {
    await using world = await allowingWorld()
    const asked = counter(world)
    asked()
    world.leave(0)
    for (let at = 0; at < 3; at++) {
      const reply = await ask(world.tag)
      expect([reply.status, reply.headers['cache-status'], reply.headers.warning]).toEqual([
        200,
        'forebay; fwd=stale; fwd-status=304',
        undefined,
      ])
    }
    expect(asked()).toEqual({ heads: 3, gets: 0 })
  })

  test('gives its reserve for what was never seen here: tags, and manifests by digest', async () => {
    await using world = await allowingWorld()
    world.leave(10)
    world.upstream.push('lab/tool', after, 'v1')
    world.upstream.push('lab/other', other, 'v9')
    await expectSpared(world.tag, 10)
    expect((await ask(world.manifest('lab/other', 'v9'))).sha256).toBe(other.manifest.digest)
    expect((await ask(world.manifest('lab/tool', after.manifest.digest))).sha256).toBe(after.manifest.digest)
    for (const { digest } of after.blobs) expect((await ask(world.blob('lab/tool', digest))).sha256).toBe(digest)
    expect(await remainingOf(world)).toBe(8)
  })

  test('that has nothing left says so to who asks for what was never seen; what is known is served', async () => {
    await using world = await allowingWorld({ upstream: { allowance: { limit: 100, retryAfter: 77 } } })
    world.leave(0)
    world.upstream.push('lab/other', other, 'v9')
    world.upstream.push('lab/tool', after, 'v1')
    const asked = counter(world)
    asked()
    for (let at = 0; at < 3; at++) {
      const refused = await ask(world.manifest('lab/other', 'v9'))
      expect([refused.status, errorCodes(refused), refused.headers['retry-after']]).toEqual([429, ['TOOMANYREQUESTS'], '77'])
    }
    await expectSpared(world.tag, 0)
    expect(asked()).toEqual({ heads: 1, gets: 1 }) // the refusal is remembered for as long as it said
  })

  test('is asked about a known tag again as soon as it allows more', async () => {
    await using world = await allowingWorld()
    world.leave(3)
    world.upstream.push('lab/tool', after, 'v1')
    await expectSpared(world.tag, 3)
    world.leave(100)
    expect((await ask(world.tag, noCache)).sha256).toBe(after.manifest.digest)
  })

  test('is asked where nothing older may be served any more', async () => {
    await using world = await allowingWorld({ settings: { staleIfError: '0s' } })
    world.leave(2)
    world.upstream.push('lab/tool', after, 'v1')
    expect((await ask(world.tag)).sha256).toBe(after.manifest.digest)
    expect(await remainingOf(world)).toBe(1)
  })

  test.each([
    ['so many as the settings say', 50, 50, 51],
    ['no reserve where the settings say so', 0, 0, 1],
    ['a share as the settings say', '25%', 25, 26],
  ])('keeps %s', async (_, pullReserve, spared, spent) => {
    await using world = await allowingWorld({ settings: { pullReserve } })
    world.upstream.push('lab/tool', after, 'v1')
    const asked = counter(world)
    asked()
    world.leave(spared)
    expect((await ask(world.tag)).sha256).toBe(before.manifest.digest)
    world.leave(spent)
    expect((await ask(world.tag, noCache)).sha256).toBe(after.manifest.digest)
    expect(asked().gets).toBe(1)
  })
})

test('a registry that tells nothing has no such metrics', async () => {
  await using world = await createWorld()
  world.upstream.push('lab/tool', before, 'v1')
  await ask(world.manifest('lab/tool', 'v1'))
  const { body } = await ask(`${world.house.url}/metrics`)
  expect(body.toString()).not.toContain('upstream_budget_remaining{')
})
