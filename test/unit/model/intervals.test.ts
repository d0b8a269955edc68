import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createIntervals } from '../../../src/model/intervals.ts'

const size = 60
const span = fc.tuple(fc.nat(size), fc.nat(size)).map(([a, b]) => ({ start: Math.min(a, b), end: Math.max(a, b) }))
const step = fc.record({ kind: fc.constantFrom('add' as const, 'remove' as const), span })

describe('intervals', () => {
  test('any order of adding and removing keeps exactly the bytes a set of bytes would', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const intervals = createIntervals()
        const model = new Set<number>()
        for (const { kind, span } of steps) {
          intervals[kind](span.start, span.end)
          for (let at = span.start; at < span.end; at++) kind === 'add' ? model.add(at) : model.delete(at)
        }
        expect(intervals.total).toBe(model.size)
        for (let at = 0; at <= size; at++) {
          let reach = 0
          while (model.has(at + reach)) reach++
          expect(intervals.reach(at)).toBe(reach)
          let next = at
          while (next < size && !model.has(next)) next++
          expect(intervals.nextHeld(at, size)).toBe(next)
        }
        const { ranges } = intervals
        for (const [index, range] of ranges.entries()) {
          expect(range.end).toBeGreaterThan(range.start)
          if (index > 0) expect(range.start).toBeGreaterThan(ranges[index - 1]!.end)
        }
      }),
    )
  })

  test('ranges given at the start are joined where they touch', () => {
    expect(
      createIntervals([
        { start: 5, end: 9 },
        { start: 0, end: 5 },
      ]).ranges,
    ).toEqual([{ start: 0, end: 9 }])
  })
})
