import type { ByteRange } from './range.ts'

/** A set of bytes, kept as disjoint half-open ranges in ascending order; ranges that touch are one. */
export interface Intervals {
  readonly ranges: readonly ByteRange[]
  /** Bytes in the set. */
  readonly total: number
  add(start: number, end: number): void
  remove(start: number, end: number): void
  /** How many bytes follow `position` without a gap; 0 when the byte at `position` is not in the set. */
  reach(position: number): number
  /** Where the next range begins at or after `position`; `limit` when there is none before it. */
  nextHeld(position: number, limit: number): number
}

export function createIntervals(initial: readonly ByteRange[] = []): Intervals {
  const ranges: ByteRange[] = []
  let total = 0

  /** Index of the first range that ends after `position`. */
  function find(position: number): number {
    let low = 0
    let high = ranges.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (ranges[middle]!.end > position) high = middle
      else low = middle + 1
    }
    return low
  }

  function count(): void {
    total = ranges.reduce((sum, range) => sum + range.end - range.start, 0)
  }

  const set: Intervals = {
    get ranges() {
      return ranges
    },
    get total() {
      return total
    },
    add(start, end) {
      if (end <= start) return
      const first = find(start - 1) // a range that ends exactly at `start` is joined
      let last = first
      while (last < ranges.length && ranges[last]!.start <= end) last++
      const joined =
        last > first
          ? { start: Math.min(start, ranges[first]!.start), end: Math.max(end, ranges[last - 1]!.end) }
          : { start, end }
      ranges.splice(first, last - first, joined)
      count()
    },
    remove(start, end) {
      if (end <= start) return
      const first = find(start)
      let last = first
      while (last < ranges.length && ranges[last]!.start < end) last++
      const touched = ranges.slice(first, last)
      const left = touched.flatMap((range) => [
        ...(range.start < start ? [{ start: range.start, end: start }] : []),
        ...(range.end > end ? [{ start: end, end: range.end }] : []),
      ])
      ranges.splice(first, last - first, ...left)
      count()
    },
    reach(position) {
      const range = ranges[find(position)]
      return range !== undefined && range.start <= position ? range.end - position : 0
    },
    nextHeld(position, limit) {
      const range = ranges[find(position)]
      return range === undefined ? limit : Math.min(limit, Math.max(position, range.start))
    },
  }
  for (const range of initial) set.add(range.start, range.end)
  return set
}
