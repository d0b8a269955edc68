import type { Intervals } from '../model/intervals.ts'
import type { ByteRange } from '../model/range.ts'

type Held = Pick<Intervals, 'reach' | 'nextHeld'>

const aheadBytes = 8 * 1024 * 1024
const finishBytes = 64 * 1024 * 1024

/** The first bytes that nobody holds or is fetching; `end` is Infinity while the size is unknown. Claims are disjoint. */
export function nextGap(held: Held, claims: readonly ByteRange[], size: number | undefined): ByteRange | undefined {
  const limit = size ?? Number.POSITIVE_INFINITY
  let start = 0
  while (start < limit) {
    const step = skip(held, claims, start)
    if (step === start) return { start, end: gapEnd(held, claims, start, limit) }
    start = step
  }
  return undefined
}

/** Where the gap that begins at `start` ends: at held bytes, at a claim, or at `limit`. A claim of nothing ends no gap. */
export function gapEnd(held: Held, claims: readonly ByteRange[], start: number, limit: number): number {
  const after = claims.filter((claim) => claim.start >= start && claim.end > claim.start)
  return after.reduce((end, claim) => Math.min(end, claim.start), held.nextHeld(start, limit))
}

/** A claim being worked off: `front` is the next byte to come. */
export interface Front extends ByteRange {
  readonly front: number
}

/** Whether a reader waiting at `position` is worth a request of its own instead of waiting for those under way. */
export function deservesOwnRequest(position: number, fronts: readonly Front[]): boolean {
  return fronts.every(({ start, front, end }) => position < start || position >= end || position - front > aheadBytes)
}

/** Whether a fill that nobody waits for any more is worth finishing. */
export function isWorthFinishing(held: number, size: number | undefined): boolean {
  return size !== undefined && (size - held <= finishBytes || held >= size / 2)
}

function skip(held: Held, claims: readonly ByteRange[], start: number): number {
  const reach = held.reach(start)
  if (reach > 0) return start + reach
  return claims.find((claim) => claim.start <= start && start < claim.end)?.end ?? start
}

const longestRun = 32 * 1024 * 1024
const shortestRun = 1024 * 1024
const firstRun = 4 * 1024 * 1024

/** How much a source is asked for at once, in whole pieces: about what it sends in a second. `speed`: bytes/ms, 0 where unknown. */
export function runLength(speed: number, pieceLength: number): number {
  const wanted = speed > 0 ? Math.min(longestRun, Math.max(shortestRun, speed * 1000)) : firstRun
  return Math.max(pieceLength, alignDown(wanted, pieceLength))
}

export function alignDown(position: number, length: number): number {
  return Math.floor(position / length) * length
}

export function alignUp(position: number, length: number): number {
  return Math.ceil(position / length) * length
}
