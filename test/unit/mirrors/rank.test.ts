import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { rank } from '../../../src/mirrors/rank.ts'

interface Named {
  readonly name: string
  readonly priority: number
  readonly site: string | undefined
  readonly country: string | undefined
  readonly bytesPerSecond: number | undefined
}

const place = (name: string, more: Partial<Named> = {}): Named => ({
  name,
  priority: 10,
  site: undefined,
  country: undefined,
  bytesPerSecond: undefined,
  ...more,
})
const here = { name: 'hall-2', country: 'de' }
const names = (places: readonly Named[]) => rank(places, here).map(({ name }) => name)

describe('the order of places', () => {
  test('is the priority that the operator gave, whatever else speaks for one', () => {
    const near = place('near', { priority: 2, site: 'hall-2', country: 'de', bytesPerSecond: 1e9 })
    expect(names([near, place('far', { priority: 1 })])).toEqual(['far', 'near'])
  })

  test('then our site, then our country, then speed', () => {
    const fast = place('fast', { bytesPerSecond: 500e6 })
    const country = place('country', { country: 'de', bytesPerSecond: 2e6 })
    const site = place('site', { site: 'hall-2', bytesPerSecond: 1e6 })
    expect(names([place('unknown'), fast, country, site])).toEqual(['site', 'country', 'fast', 'unknown'])
  })

  test('does not change with small differences of speed', () => {
    const [a, b] = [place('a', { bytesPerSecond: 10e6 }), place('b', { bytesPerSecond: 11e6 })]
    expect(names([a, b])).toEqual(['a', 'b'])
    expect(names([b, a])).toEqual(['b', 'a'])
  })

  test('gives what was never measured its turn before what is known to be slow', () => {
    expect(names([place('slow', { bytesPerSecond: 1e6 }), place('new')])).toEqual(['new', 'slow'])
  })

  test('without a site or country of our own prefers none', () => {
    const places = [place('a'), place('b', { country: 'de', site: 'x' })]
    expect(rank(places, {}).map(({ name }) => name)).toEqual(['a', 'b'])
  })

  test('keeps every place, and never a worse priority before a better one', () => {
    const some = fc.array(
      fc.record({
        priority: fc.integer({ min: 1, max: 4 }),
        site: fc.constantFrom(undefined, 'hall-2', 'x'),
        country: fc.constantFrom(undefined, 'de', 'us'),
        bytesPerSecond: fc.option(fc.integer({ min: 0, max: 1e9 }), { nil: undefined }),
      }),
    )
    fc.assert(
      fc.property(some, (places) => {
        const ranked = rank(places, here)
        expect(new Set(ranked)).toEqual(new Set(places))
        for (const [at, one] of ranked.entries()) if (at > 0) expect(ranked[at - 1]!.priority).toBeLessThanOrEqual(one.priority)
      }),
    )
  })
})
