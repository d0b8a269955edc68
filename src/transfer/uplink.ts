import type { Source } from '../model/artifact.ts'
import type { Clock } from '../system/clock.ts'
import type { SourceBody, SourceReader } from '../upstream/upstream.ts'
import { createShares, type Shares } from './shares.ts'

export interface UplinkLimits {
  readonly bytesPerSecond: number | undefined // in all; undefined: as fast as they come
  readonly ofUpstream: (via: Source['via']) => number | undefined
}

/** Caps on what comes in, per upstream and in all, shared fairly by the fills that take part. */
export interface Uplink {
  /** The same reader for one fill. Bodies for which nothing is capped are handed on as they are. */
  paced(fill: string, read: SourceReader['read']): Paced
  /** For bodies that are asked for from now on; those under way share the new rates of caps that they began with. */
  setLimits(limits: UplinkLimits): void
}

export interface Paced {
  readonly read: SourceReader['read']
  /** Does a body of this source wait for its turn, rather than we for the source? */
  isHeldBack(source: Source): boolean
}

export function createUplink(first: UplinkLimits, clock: Pick<Clock, 'now' | 'sleep'>): Uplink {
  const ofUpstream = new Map<Source['via'], Shares>()
  let all: Shares | undefined
  let limits = first

  function sharesOf(via: Source['via']): readonly Shares[] {
    const rate = limits.ofUpstream(via)
    if (rate !== undefined && !ofUpstream.has(via)) ofUpstream.set(via, createShares(rate, clock))
    if (limits.bytesPerSecond !== undefined) all ??= createShares(limits.bytesPerSecond, clock)
    const own = rate === undefined ? [] : [ofUpstream.get(via)!]
    return limits.bytesPerSecond === undefined ? own : [...own, all!]
  }

  return {
    paced(fill, read) {
      const heldBack = new Set<Source>()

      /** What has come is paid for before the next is taken: until then the other side has to wait. */
      async function* pacing(body: SourceBody['body'], source: Source, shares: readonly Shares[], signal: AbortSignal) {
        for await (const chunk of body) {
          const { length } = chunk
          yield chunk
          heldBack.add(source)
          try {
            for (const one of shares) await one.take(fill, length, signal)
          } finally {
            heldBack.delete(source)
          }
        }
      }

      return {
        isHeldBack: (source) => heldBack.has(source),
        async read(source, want, signal) {
          const answer = await read(source, want, signal)
          const shares = sharesOf(source.via)
          return shares.length === 0 ? answer : { ...answer, body: pacing(answer.body, source, shares, signal) }
        },
      }
    },
    setLimits(next) {
      limits = next
      all?.setRate(next.bytesPerSecond ?? Number.POSITIVE_INFINITY)
      for (const [via, shares] of ofUpstream) shares.setRate(next.ofUpstream(via) ?? Number.POSITIVE_INFINITY)
    },
  }
}
