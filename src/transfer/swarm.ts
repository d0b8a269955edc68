import type { Source } from '../model/artifact.ts'
import { Fault } from '../model/fault.ts'
import type { ByteRange } from '../model/range.ts'
import type { Clock } from '../system/clock.ts'
import { alignDown, alignUp, nextGap, runLength } from './plan.ts'
import { nameOf, type Segment } from './segment.ts'
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
  readonly clock: Clock
  readonly signal: AbortSignal
}

interface Work {
  readonly source: Source
  readonly segment: Segment
  readonly startedAt: number // ms
  movedAt: number // ms: when its front was last seen to move
  front: number
}

const tickMs = 250
const stallMs = 2_000 // without a byte
const crawl = 8 // times slower than the best is too slow to wait for
const sourcesAtOnce = 8
const leastToSplit = 2 * 1024 * 1024 // bytes

/**
 * Each source takes the next run of pieces, as long as about a second of its own speed. Who finds nothing left to take
 * helps the one that would be last, by half of what that has to do. Who stalls or crawls is dropped while others are there.
 */
export function createSwarm(deps: SwarmDeps): Swarm {
  const { sources, pieceLength, size, clock } = deps
  const working = new Map<Source, Work>()
  const speeds = new Map<Source, number>() // bytes/ms
  let failure: { readonly error: unknown } | undefined
  let changed = Promise.withResolvers<void>()

  function wake(): void {
    changed.resolve()
    changed = Promise.withResolvers()
  }

  const speedOf = (source: Source) => speeds.get(source) ?? 0
  const idle = () =>
    sources
      .usable()
      .slice(0, sourcesAtOnce)
      .filter((source) => !working.has(source))

  function take(source: Source, range: ByteRange): void {
    const now = clock.now()
    const segment = deps.begin(range, source)
    const work: Work = { source, segment, startedAt: now, movedAt: now, front: range.start }
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
    wake()
  }

  function speedNow({ segment, startedAt }: Work): number {
    return (segment.front - segment.start) / Math.max(1, clock.now() - startedAt)
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

  function isTooSlow(work: Work, now: number): boolean {
    if (work.segment.front > work.front) {
      work.front = work.segment.front
      work.movedAt = now
    }
    if (left(work) <= 0) return false // it has all it was asked for, or pauses after a failure
    if (now - work.movedAt > stallMs) return true
    const best = Math.max(0, ...idle().map(speedOf))
    return now - work.startedAt > stallMs && speedNow(work) * crawl < best
  }

  /** Its bytes become a gap, which the next one takes. */
  function dropSlow(): void {
    const now = clock.now()
    for (const work of working.values()) {
      if (!isTooSlow(work, now) || sources.usable().length < 2) continue
      const { segment, source } = work
      segment.stop()
      const fault = new Fault('source-cut', {
        url: nameOf(source),
        received: segment.front - segment.start,
        expected: segment.end - segment.start,
      })
      sources.failed(source, fault) // others are left, so it does not throw
    }
  }

  /** With nobody at work nothing will change by itself. */
  function isStuck(): boolean {
    return working.size === 0 && deps.claims().length === 0 && nextGap(deps.held, [], size) !== undefined
  }

  async function untilChanged(): Promise<void> {
    const over = new AbortController()
    const tick = clock.sleep(tickMs, AbortSignal.any([over.signal, deps.signal])).catch(() => {})
    await Promise.race([changed.promise, tick])
    over.abort()
  }

  return {
    wake,
    async run() {
      while (!deps.isOver()) {
        deps.signal.throwIfAborted()
        if (failure) throw failure.error
        assign()
        if (working.size === 0 && sources.usable().length === 0) return
        if (isStuck()) return deps.stuck()
        await untilChanged()
        dropSlow()
      }
    },
  }
}
