import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createIntervals } from '../../../src/model/intervals.ts'
import { deservesOwnRequest, isWorthFinishing, nextGap } from '../../../src/transfer/plan.ts'

const MiB = 1024 * 1024

describe('nextGap', () => {
  test('taking gap after gap covers every byte once, whatever is held and claimed', () => {
    const cuts = fc.uniqueArray(fc.nat(100), { maxLength: 8 }).map((points) => points.sort((a, b) => a - b))
    fc.assert(
      fc.property(cuts, fc.array(fc.constantFrom('held', 'claimed', 'free'), { minLength: 9, maxLength: 9 }), (points, kinds) => {
        const size = 101
        const held = createIntervals()
        const claims: { start: number; end: number }[] = []
        const free = createIntervals()
        const edges = [0, ...points, size]
        for (let at = 0; at + 1 < edges.length; at++) {
          const [start, end] = [edges[at]!, edges[at + 1]!]
          if (kinds[at] === 'held') held.add(start, end)
          else if (kinds[at] === 'claimed' && end > start) claims.push({ start, end })
          else free.add(start, end)
        }
        const taken = createIntervals()
        for (let gap = nextGap(held, claims, size); gap; gap = nextGap(held, claims, size)) {
          expect(taken.reach(gap.start)).toBe(0)
          taken.add(gap.start, gap.end)
          claims.push(gap)
        }
        expect(taken.ranges).toEqual(free.ranges)
      }),
    )
  })

  test('an unknown size leaves the end open', () => {
    expect(nextGap(createIntervals([{ start: 0, end: 5 }]), [], undefined)).toEqual({ start: 5, end: Number.POSITIVE_INFINITY })
  })

  test('a claim of nothing, as of who failed before a byte came and pauses, does not make an empty gap', () => {
    const held = createIntervals([{ start: 0, end: 100 }])
    expect(nextGap(held, [{ start: 100, end: 100 }], 200)).toEqual({ start: 100, end: 200 })
    expect(nextGap(held, [{ start: 150, end: 150 }], 200)).toEqual({ start: 100, end: 200 })
  })

  test('a blob of no bytes has no gap', () => expect(nextGap(createIntervals(), [], 0)).toBeUndefined())
})

describe('a request of its own', () => {
  const fronts = [{ start: 10 * MiB, front: 12 * MiB, end: 100 * MiB }]
  test.each([
    [11 * MiB, false],
    [20 * MiB, false],
    [21 * MiB, true],
    [9 * MiB, true],
    [100 * MiB, true],
  ])('at %i: %s', (position, want) => expect(deservesOwnRequest(position, fronts)).toBe(want))
})

test.each([
  { held: 0, size: undefined, want: false },
  { held: 0, size: 60 * MiB, want: true },
  { held: 0, size: 1000 * MiB, want: false },
  { held: 500 * MiB, size: 1000 * MiB, want: true },
])('a fill with $held of $size held that nobody waits for is finished: $want', ({ held, size, want }) =>
  expect(isWorthFinishing(held, size)).toBe(want),
)
