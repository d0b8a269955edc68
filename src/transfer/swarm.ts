import type { Source } from '../model/artifact.ts'
import { Fault } from '../model/fault.ts'
import type { ByteRange } from '../model/range.ts'
import type { Clock } from '../system/clock.ts'
import { nameOf } from './name-of.ts'
import { alignDown, alignUp, nextGap, runLength } from './plan.ts'
import type { Segment } from './segment.ts'
import type { Sources } from './sources.ts'

/** Several sources at work on one spool at once, where piece hashes tell good bytes from bad. */
export interface Swarm {
  /** Settles when every piece has come and agreed, or when nobody is left who gives parts. @throws what `begin`'s segments do */
  run(): Promise<void>
  /** Something changed that `run` waits for. */
  wake(): void
}

export interface SwarmDeps {
  readonly held: Parameters<typeof nextGap>[0]
  readonly claims: () => readonly ByteRange[] // what somebody is fetching
  readonly sources: Sources
  readonly pieceLength: number // bytes
  readonly size: number // bytes
  readonly isOver: () => boolean // every piece has agreed, or the hashes turned out to be wrong
  readonly isAvoided: (source: Source, position: number) => boolean
  /** Bytes are missing that nobody who is left may send; `isOver` from then on. */
  readonly stuck: () => void
  /** Begins a request of that very source; it ends when the source fails, which `sources` is told. */
  readonly begin: (range: ByteRange, source: Source) => Segment
  /** It was dropped though it has not failed by itself. */
  readonly troubled: (source: Source, fault: Fault, waitMs: number) => void
  /** It waits for us, not we for it. */
  readonly isHeldBack?: (source: Source) => boolean
  readonly clock: Clock
  readonly signal: AbortSignal
}

interface Work {
  readonly source: Source
  readonly segment: Segment
  movedAt: number // ms: when its front was last seen to move
  stoodMs: number // that this process stood still while it was at work
  front: number
  isDropped: boolean
}

interface Rest {
  readonly until: number // ms
  readonly times: number
}

const tickMs = 250
const stallMs = 2_000 // without a byte
const hurriedStallMs = 500 // once bytes came, while somebody else has nothing to do
const restMs = 4_000 // of whoever was dropped, doubled each time
const crawl = 8 // times slower than the best is too slow to wait for
const sourcesAtOnce = 8
const leastToSplit = 2 * 1024 * 1024 // bytes

/**
 * Each source takes the next run of pieces, as long as about a second of its own speed. Who finds nothing left to take
 * helps the one that would be last, by half of what that has to do. Who stalls or crawls is dropped while others are there,
 * and rests before it is asked again.
 */
export function createSwarm(deps: SwarmDeps): Swarm {
  const { sources, pieceLength, size, clock } = deps
  const working = new Map<Source, Work>()
  const speeds = new Map<Source, number>() // bytes/ms
  const rests = new Map<Source, Rest>()
  let failure: { readonly error: unknown } | undefined
  let changed = Promise.withResolvers<void>()
  let tick: Promise<void> | undefined
  let tickDue = 0 // ms

  function wake(): void {
    changed.resolve()
    changed = Promise.withResolvers()
  }

  const speedOf = (source: Source) => speeds.get(source) ?? 0
  const isResting = (source: Source) => (rests.get(source)?.until ?? 0) > clock.now()
  const isAllTaken = () => nextGap(deps.held, deps.claims(), size) === undefined

  /** While nobody else is at work, those who should rest as well. */
  function idle(): readonly Source[] {
    const best = sources.usable().slice(0, sourcesAtOnce)
    const free = best.filter((source) => !working.has(source))
    const rested = free.filter((source) => !isResting(source))
    return rested.length + working.size > 0 ? rested : free
  }

  function take(source: Source, range: ByteRange): void {
    const segment = deps.begin(range, source)
    const work: Work = { source, segment, movedAt: clock.now(), stoodMs: 0, front: range.start, isDropped: false }
    working.set(source, work)
    const fail = (error: unknown) => {
      failure ??= { error }
    }
    void segment.finished.catch(fail).finally(() => done(work))
  }

  function done(work: Work): void {
    working.delete(work.source)
    const speed = speedNow(work)
    if (speed > 0) speeds.set(work.source, speeds.has(work.source) ? (speedOf(work.source) + speed) / 2 : speed)
    if (speed > 0 && !work.isDropped) rests.delete(work.source)
    wake()
  }

  function speedNow({ segment, stoodMs }: Work): number {
    return (segment.front - segment.start) / Math.max(1, clock.now() - (segment.askedAt ?? 0) - stoodMs)
  }

  /** The first gap that this source may fill: not where it sent a piece wrong. */
  function gapFor(source: Source): ByteRange | undefined {
    const taken = [...deps.claims()]
    for (;;) {
      const gap = nextGap(deps.held, taken, size)
      if (!gap || !deps.isAvoided(source, gap.start)) return gap
      taken.push({ start: gap.start, end: Math.min(gap.end, alignDown(gap.start, pieceLength) + pieceLength) })
    }
  }

  function assign(): void {
    for (const source of idle()) {
      const gap = gapFor(source)
      if (!gap) help(source)
      else
        take(source, {
          start: gap.start,
          end: Math.min(gap.end, alignDown(gap.start, pieceLength) + runLength(speedOf(source), pieceLength)),
        })
    }
  }

  const left = ({ segment }: Work) => segment.end - segment.front
  const msLeft = (work: Work) => left(work) / Math.max(speedNow(work), Number.MIN_VALUE)

  function help(source: Source): void {
    const [last] = [...working.values()].sort((a, b) => msLeft(b) - msLeft(a))
    if (!last || left(last) < leastToSplit) return
    const { segment } = last
    const middle = alignUp(segment.front + left(last) / 2, pieceLength)
    if (middle >= segment.end || deps.isAvoided(source, middle)) return
    const range = { start: middle, end: segment.end }
    segment.end = middle
    take(source, range)
  }

  /** While this process itself stands still nobody is slow: what came meanwhile was not looked at. */
  function excuse(now: number): void {
    const stoodMs = now - tickDue
    if (stoodMs < tickMs) return
    for (const work of working.values()) {
      work.movedAt += stoodMs
      work.stoodMs += Math.min(stoodMs, now - (work.segment.askedAt ?? now))
    }
    tickDue = now
  }

  function isTooSlow(work: Work, now: number, others: readonly Source[]): boolean {
    const { segment } = work
    if (segment.askedAt === undefined) return false // it waits for us, not we for it
    const isHeldBack = deps.isHeldBack?.(work.source) ?? false
    if (segment.front > work.front || isHeldBack) {
      work.front = segment.front
      work.movedAt = now
    }
    if (isHeldBack || left(work) <= 0) return false // it has all it was asked for, or pauses after a failure
    const isHurried = work.front > segment.start && others.length > 0 && isAllTaken()
    const askedAt = segment.askedAt + work.stoodMs
    if (now - Math.max(work.movedAt, askedAt) > (isHurried ? hurriedStallMs : stallMs)) return true
    const best = Math.max(0, ...others.map(speedOf))
    return now - askedAt > stallMs && speedNow(work) * crawl < best
  }

  /** Its bytes become a gap, which the next one takes. */
  function dropSlow(): void {
    const now = clock.now()
    excuse(now)
    const others = idle()
    for (const work of working.values()) {
      if (work.isDropped || !isTooSlow(work, now, others) || sources.usable().length < 2) continue
      const { segment, source } = work
      const times = (rests.get(source)?.times ?? 0) + 1
      rests.set(source, { until: now + restMs * 2 ** (times - 1), times })
      work.isDropped = true
      segment.stop()
      const fault = new Fault('source-cut', {
        url: nameOf(source),
        received: segment.front - segment.start,
        expected: segment.end - segment.start,
      })
      deps.troubled(source, fault, sources.failed(source, fault)) // others are left, so it does not throw
    }
  }

  /** With nobody at work nothing will change by itself. */
  function isStuck(): boolean {
    return working.size === 0 && deps.claims().length === 0 && nextGap(deps.held, [], size) !== undefined
  }

  /** Wakes far outnumber ticks: a tick is let run out rather than begun anew for each. */
  async function untilChanged(): Promise<void> {
    const over = () => {
      tick = undefined
    }
    if (!tick) {
      tickDue = clock.now() + tickMs
      tick = clock.sleep(tickMs, deps.signal).then(over, over)
    }
    await Promise.race([changed.promise, tick])
  }

  return {
    wake,
    async run() {
      while (!deps.isOver()) {
        deps.signal.throwIfAborted()
        if (failure) throw failure.error
        assign()
        if (working.size === 0 && sources.usable().length === 0) return
        if (isStuck()) {
          if (rests.size === 0) return deps.stuck()
          rests.clear() // whoever else is left may not send what is missing
          continue
        }
        await untilChanged()
        dropSlow()
      }
    },
  }
}
