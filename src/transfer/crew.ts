import type { Source } from '../model/artifact.ts'
import type { ByteRange } from '../model/range.ts'
import { untilGone } from '../system/until-gone.ts'
import { deservesOwnRequest, type Front, gapEnd, nextGap } from './plan.ts'
import type { Interest } from './readers.ts'
import { type Segment, type SegmentDeps, startSegment } from './segment.ts'
import { createSwarm, type Swarm } from './swarm.ts'

const ownRequestsAtOnce = 4
const handOverBytes = 1024 * 1024

/** All segments of one fill: one that works from the front, and some opened for readers far ahead of it. */
export interface Crew {
  /** Opens requests for readers far ahead of any front, and drops those that nobody reads any more. */
  steer(): void
  /** Settles when the spool holds every byte. @throws the Fault that no source could mend */
  fetchAll(): Promise<void>
  /** The size became known: nobody works past it. */
  limit(size: number): void
  /** Piece hashes became known, or were given up: from now on more sources may be at work, or one. */
  replan(): void
  /** A piece agreed or was forgotten. */
  wake(): void
  /** Ends all of them and waits until their last write is done. */
  stop(): Promise<void>
}

export interface CrewDeps extends SegmentDeps {
  readonly size: () => number | undefined
  readonly interests: () => readonly Interest[]
  readonly checks: () => Checks | undefined
  readonly isHeldBack?: (source: Source) => boolean
}

/** Piece hashes at work. */
export interface Checks {
  readonly pieceLength: number // bytes
  readonly isOver: () => boolean // every piece has agreed, or the hashes were given up
  readonly isAvoided: (source: Source, position: number) => boolean
  /** The piece there was wrong: it is fetched again, from one source alone. */
  readonly isContested: (position: number) => boolean
  /** Some piece is missing that everybody who is left sent wrong: the hashes count no more. */
  readonly stuck: () => void
}

export function createCrew(deps: CrewDeps): Crew {
  const { spool, sources } = deps
  const segments = new Set<Segment>()
  const claims = (): readonly ByteRange[] => [...segments]
  const size = () => deps.size() ?? Number.POSITIVE_INFINITY
  let isWorking = false
  let swarm: Swarm | undefined
  let woken = Promise.withResolvers<void>()

  function begin(start: number, end: number, isAdopted: boolean, source?: Source): Segment {
    const segment = startSegment(deps, { start, end, isAdopted, ...(source && { source }) })
    segments.add(segment)
    const leave = () => segments.delete(segment)
    segment.finished.then(leave, leave)
    return segment
  }

  /** Where bytes are coming in now; before anything does, where they will first. */
  function fronts(): readonly Front[] {
    if (segments.size > 0) return [...segments]
    const gap = nextGap(spool.held, [], deps.size())
    return gap ? [{ ...gap, front: gap.start }] : []
  }

  function dismiss(interests: readonly Interest[]): void {
    for (const segment of segments) {
      if (segment.isAdopted) continue
      if (!interests.some(({ start, end }) => start < segment.end && end > segment.start)) segment.stop()
    }
  }

  function serve({ start, end, isWaiting }: Interest): void {
    if (!isWaiting || start >= size() || spool.held.reach(start) > 0 || !deservesOwnRequest(start, fronts())) return
    if (deps.checks()?.isContested(start)) return
    const own = [...segments].filter((segment) => !segment.isAdopted).length
    if (own >= ownRequestsAtOnce || !sources.canRange || !deps.guard().givesParts) return
    const limit = Math.min(end, gapEnd(spool.held, claims(), start, size()))
    for (const segment of segments) if (segment.front < start && segment.end > start) segment.end = start
    begin(start, limit, false)
  }

  function wake(): void {
    swarm?.wake()
    woken.resolve()
    woken = Promise.withResolvers()
  }

  const untilWoken = () => untilGone(woken.promise, deps.signal)

  /** With piece hashes several sources may be at work, as it is known of each piece whether it is right. */
  async function inParallel({ pieceLength, isOver, isAvoided, stuck }: Checks): Promise<void> {
    const total = deps.size() as number
    const start = (range: ByteRange, source: Source) => begin(range.start, range.end, true, source)
    swarm = createSwarm({
      held: spool.held,
      claims,
      sources,
      pieceLength,
      size: total,
      isOver,
      isAvoided,
      stuck,
      begin: start,
      troubled: deps.troubled,
      isHeldBack: deps.isHeldBack,
      clock: deps.clock,
      signal: deps.signal,
    })
    await swarm.run()
    swarm = undefined
    for (const segment of segments) if (segment.front >= segment.end) segment.stop() // it only pauses
  }

  return {
    steer() {
      if (!isWorking) return
      const interests = deps.interests()
      dismiss(interests)
      for (const interest of interests) serve(interest)
    },
    async fetchAll() {
      isWorking = true
      try {
        for (;;) {
          const checks = deps.checks()
          if (checks?.isOver()) return await this.stop()
          if (checks && sources.usable().length > 0) {
            await inParallel(checks)
            continue
          }
          const gap = nextGap(spool.held, claims(), deps.size())
          if (gap) {
            const main = begin(gap.start, gap.end, true)
            this.steer()
            await main.finished
          } else if (segments.size > 0) {
            for (const segment of segments) segment.isAdopted = true
            await Promise.race([...segments].map((segment) => segment.finished))
          } else if (checks) await untilWoken()
          else return
        }
      } finally {
        isWorking = false
      }
    },
    replan() {
      // What is under way may end soon: the rest is shared out.
      for (const segment of segments) segment.end = Math.min(segment.end, segment.front + handOverBytes)
      wake()
    },
    wake,
    limit(total) {
      for (const segment of segments) segment.end = Math.min(segment.end, total)
    },
    async stop() {
      for (const segment of segments) segment.stop()
      await Promise.allSettled([...segments].map((segment) => segment.finished))
    },
  }
}
