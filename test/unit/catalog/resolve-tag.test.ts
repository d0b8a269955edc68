import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Outcome } from '../../../src/catalog/catalog.ts'
import { Fault } from '../../../src/model/fault.ts'
import { faultOf } from '../../kit/bytes.ts'
import { filesBelow } from '../../kit/disk.ts'
import { type Image, image } from '../../kit/images.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { asking, hub, manifestNamed, tagNamed } from '../../kit/questions.ts'
import {
  answerDeadlineMs,
  type CatalogHouse,
  createCatalogHouse,
  minute,
  negativeForMs,
  policy,
  readAll,
  second,
} from './catalog-house.ts'

expectNoLeaks()

describe('a tag', () => {
  let house: CatalogHouse
  const first = image({ seed: 'first' })
  const next = image({ seed: 'next' })

  beforeEach(async () => {
    house = await createCatalogHouse()
    house.hub.push('lab/tool', first, 'v1')
  })
  afterEach(() => house[Symbol.asyncDispose]())

  const resolve = (more: Parameters<typeof asking>[0] = {}, tag = 'v1') => house.catalog.resolve(manifestNamed(tag), asking(more))
  const kindOf = async (answer = resolve()): Promise<Outcome['kind']> => (await answer).outcome.kind
  const digestOf = async (answer = resolve()) => (await answer).artifact.digests[0]
  const fails = (status = 503) => new Fault('upstream-status', { url: 'https://hub.example/', status })

  test('is asked for once and then known for as long as it is fresh', async () => {
    expect(await kindOf()).toBe('miss')
    expect(await kindOf()).toBe('hit')
    await house.clock.advance(policy.freshForMs - 1)
    expect(await kindOf()).toBe('hit')
    expect(house.hub.asked).toEqual(['tag v1'])
    await house.clock.advance(1)
    expect(await kindOf()).toBe('revalidated')
    expect(await kindOf()).toBe('hit')
    expect(house.hub.asked).toEqual(['tag v1', 'tag v1?'])
  })

  test('brings the bytes as they are, and holds them', async () => {
    expect((await readAll(house.catalog.open(manifestNamed('v1'), asking()))).equals(first.manifest.bytes)).toBe(true)
    house.hub.fails = fails()
    const again = house.catalog.open(manifestNamed('v1'), asking())
    expect(await again).toMatchObject({
      outcome: { kind: 'hit' },
      artifact: { mediaType: first.manifest.mediaType, size: first.manifest.bytes.length },
    })
    expect((await readAll(again)).equals(first.manifest.bytes)).toBe(true)
  })

  test('that moved means the new image once it is asked about', async () => {
    await resolve()
    house.hub.push('lab/tool', next, 'v1')
    expect(await digestOf()).toBe(first.manifest.digest)
    await house.clock.advance(policy.freshForMs)
    expect(await digestOf()).toBe(next.manifest.digest)
    expect((await readAll(house.catalog.open(manifestNamed('v1'), asking()))).equals(next.manifest.bytes)).toBe(true)
  })

  test('is asked about at once for a client that says no-cache', async () => {
    await resolve()
    house.hub.push('lab/tool', next, 'v1')
    expect(await digestOf(resolve({ revalidate: true }))).toBe(next.manifest.digest)
    expect(await kindOf()).toBe('hit')
  })

  test('that many want to know at once is asked about once', async () => {
    for (const want of ['miss', 'revalidated'] as const) {
      const release = house.hub.hold()
      const all = Array.from({ length: 20 }, () => resolve())
      await new Promise((go) => setImmediate(go))
      release()
      const kinds = (await Promise.all(all)).map(({ outcome }) => outcome.kind)
      expect(kinds.filter((kind) => kind === want)).toHaveLength(1)
      expect(kinds.filter((kind) => kind === 'collapsed')).toHaveLength(19)
      await house.clock.advance(policy.freshForMs)
    }
    expect(house.hub.asked).toEqual(['tag v1', 'tag v1?'])
  })

  test('is kept also when whoever asked has left', async () => {
    const release = house.hub.hold()
    const control = new AbortController()
    const asked = resolve({ signal: control.signal })
    await new Promise((go) => setImmediate(go))
    control.abort(new Error('gone'))
    await expect(asked).rejects.toThrow('gone')
    release()
    expect(await kindOf()).toBe('collapsed')
    expect(await kindOf()).toBe('hit')
    expect(house.hub.asked).toHaveLength(1)
  })

  describe('while the upstream fails', () => {
    const failures = [
      fails(),
      new Fault('upstream-unreachable', { url: 'x', why: 'ENOTFOUND' }),
      new Fault('upstream-timeout', { url: 'x', phase: 'headers', ms: 5 }),
      new Fault('upstream-limited', { url: 'x' }),
      new Fault('upstream-invalid', { url: 'x', why: 'a page' }),
      new Fault('corrupt', { what: 'x', expected: 'a', actual: 'b' }),
    ]
    test.each(failures)('with $code is served stale, its age told', async (fault) => {
      await resolve()
      await house.clock.advance(policy.freshForMs + minute)
      house.hub.fails = fault
      expect(await resolve()).toMatchObject({
        outcome: { kind: 'stale', ageMs: policy.freshForMs + minute, why: fault.message },
        artifact: { digests: [first.manifest.digest] },
      })
      expect((await readAll(house.catalog.open(manifestNamed('v1'), asking()))).equals(first.manifest.bytes)).toBe(true)
    })

    test('is not asked about by each client', async () => {
      await resolve()
      await house.clock.advance(policy.freshForMs)
      house.hub.fails = fails()
      for (let at = 0; at < 10; at++) expect(await kindOf()).toBe('stale')
      expect(house.hub.asked).toEqual(['tag v1', 'tag v1?'])
      await house.clock.advance(5 * second + 1)
      house.hub.fails = undefined
      expect(await kindOf()).toBe('revalidated')
    })

    test('is not known any more once it is older than staleIfError', async () => {
      await resolve()
      house.hub.fails = fails()
      await house.clock.advance(policy.freshForMs + policy.staleIfErrorMs - 1)
      expect(await kindOf()).toBe('stale')
      await house.clock.advance(5 * second + 1)
      expect(await faultOf(resolve())).toBe('upstream-status')
      house.hub.fails = undefined
      await house.clock.advance(5 * second + 1)
      expect(await kindOf()).toBe('revalidated')
    })

    test('unknown is the fault itself', async () => {
      house.hub.fails = fails()
      expect(await faultOf(resolve())).toBe('upstream-status')
    })

    test('and a fresh one is served stale to a client that says no-cache', async () => {
      await resolve()
      house.hub.fails = fails()
      expect(await kindOf(resolve({ revalidate: true }))).toBe('stale')
    })

    test('a Retry-After is kept to', async () => {
      await resolve()
      await house.clock.advance(policy.freshForMs)
      house.hub.fails = new Fault('upstream-limited', { url: 'x', retryAfterMs: 30 * second })
      await resolve()
      await house.clock.advance(30 * second)
      expect(await kindOf()).toBe('stale')
      expect(house.hub.asked).toHaveLength(2)
      await house.clock.advance(1)
      await resolve()
      expect(house.hub.asked).toHaveLength(3)
    })

    test('a Retry-After of no time at all kept the upstream from being asked ever again', async () => {
      house.hub.fails = new Fault('upstream-limited', { url: 'x', retryAfterMs: 0 })
      expect(await faultOf(resolve())).toBe('upstream-limited')
      house.hub.fails = undefined
      expect(await kindOf()).toBe('miss')
    })

    test('a Retry-After of a year was kept to', async () => {
      house.hub.fails = new Fault('upstream-limited', { url: 'x', retryAfterMs: 365 * 24 * 60 * minute })
      expect(await faultOf(resolve())).toBe('upstream-limited')
      house.hub.fails = undefined
      await house.clock.advance(10 * minute)
      expect(await kindOf()).toBe('miss')
    })
  })

  describe('while the upstream is slow', () => {
    test('is served as known once the deadline has passed, and asked about behind', async () => {
      await resolve()
      await house.clock.advance(policy.freshForMs)
      house.hub.push('lab/tool', next, 'v1')
      const release = house.hub.hold()
      const answer = resolve()
      await house.clock.asleep(2) // the store's and ours
      await house.clock.advance(answerDeadlineMs)
      expect(await answer).toMatchObject({ outcome: { kind: 'stale', why: expect.stringContaining('slow') } })
      release()
      expect(await digestOf()).toBe(next.manifest.digest)
      expect(house.hub.asked).toEqual(['tag v1', 'tag v1?'])
    })

    test('unknown is waited for', async () => {
      const release = house.hub.hold()
      const answer = resolve()
      await house.clock.advance(10 * answerDeadlineMs)
      release()
      expect(await kindOf(answer)).toBe('miss')
    })

    test('leaves no sleeper behind when it answers in time', async () => {
      await resolve()
      await house.clock.advance(policy.freshForMs)
      await house.clock.asleep()
      const before = house.clock.sleepers
      await resolve()
      expect(house.clock.sleepers).toBe(before)
    })
  })

  describe('that is not there', () => {
    test('is not found, and not asked for again for a moment', async () => {
      for (let at = 0; at < 5; at++) expect(await faultOf(resolve({}, 'none'))).toBe('not-found')
      expect(house.hub.asked).toEqual(['tag none'])
      house.hub.push('lab/tool', next, 'none')
      await house.clock.advance(negativeForMs + 1)
      expect(await kindOf(resolve({}, 'none'))).toBe('miss')
    })

    test('is asked for at once for a client that says no-cache', async () => {
      expect(await faultOf(resolve({}, 'none'))).toBe('not-found')
      house.hub.push('lab/tool', next, 'none')
      expect(await kindOf(resolve({ revalidate: true }, 'none'))).toBe('miss')
      expect(await kindOf(resolve({}, 'none')), 'and the old word counts no more').toBe('hit')
    })

    test('any more is forgotten, on disk too, and never served stale again', async () => {
      await resolve()
      house.hub.untag('lab/tool', 'v1')
      await house.clock.advance(policy.freshForMs)
      expect(await faultOf(resolve())).toBe('not-found')
      house.hub.fails = fails()
      await house.clock.advance(negativeForMs + 1)
      expect(await faultOf(resolve())).toBe('upstream-status')
      expect((await filesBelow(house.path)).filter((file) => file.startsWith('refs/'))).toEqual([])
    })

    test('to us is refused, also when it was known', async () => {
      await resolve()
      await house.clock.advance(policy.freshForMs)
      house.hub.fails = new Fault('upstream-refused', { url: 'x', status: 403 })
      expect(await faultOf(resolve())).toBe('upstream-refused')
      expect(await faultOf(resolve())).toBe('upstream-refused')
      expect(house.hub.asked).toHaveLength(2)
    })
  })

  describe('of an upstream set to be offline', () => {
    beforeEach(async () => {
      await resolve()
      house.policies.set(hub, { ...policy, isOffline: true })
      house.hub.asked.length = 0
    })
    test('is served however old it is, and nobody is asked', async () => {
      expect(await kindOf()).toBe('hit')
      await house.clock.advance(policy.freshForMs + policy.staleIfErrorMs * 2)
      expect(await kindOf(resolve({ revalidate: true }))).toBe('stale')
      expect(await faultOf(resolve({}, 'none'))).toBe('not-found')
      expect(house.hub.asked).toEqual([])
    })
  })

  test('whose bytes are gone is fetched by its digest, without asking what it means', async () => {
    await resolve()
    await house.store.remove(first.manifest.digest as never)
    const opened = house.catalog.open(manifestNamed('v1'), asking())
    expect((await readAll(opened)).equals(first.manifest.bytes)).toBe(true)
    expect(house.hub.asked).toEqual(['tag v1', `manifest ${first.manifest.digest}`])
  })

  test('is known after a restart, as old as it is', async () => {
    await resolve()
    await house.clock.advance(policy.freshForMs)
    await resolve()
    for (const lost of [false, true]) {
      await house.restart({ lost })
      expect(await house.knowledge.tag(tagNamed('v1'))).toEqual({
        digest: first.manifest.digest,
        mediaType: first.manifest.mediaType,
        size: first.manifest.bytes.length,
        checkedAt: house.clock.now(),
      })
      expect(await kindOf()).toBe('hit')
    }
  })

  test('of one repository says nothing of another', async () => {
    await resolve()
    const other: Image = image({ seed: 'other' })
    house.hub.push('lab/other', other, 'v1')
    expect(await digestOf(house.catalog.resolve(manifestNamed('v1', 'lab/other'), asking()))).toBe(other.manifest.digest)
    expect(await digestOf()).toBe(first.manifest.digest)
  })
})
