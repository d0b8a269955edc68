import type { Source } from '../model/artifact.ts'
import type { ByteRange } from '../model/range.ts'
import { alignDown } from './plan.ts'

/** Who sent which bytes of a fill, from its very first one on: that there are piece hashes may be learnt later. */
export interface Credits {
  add(range: ByteRange, source: Source): void
  /** Whoever sent any of it, which is gone then: only what comes next may be blamed for it. */
  take(range: ByteRange): ReadonlySet<Source>
}

/** Whose pieces were wrong. */
export interface Blame {
  /** The piece was wrong: whoever sent any of it. A second wrong piece is told by `isLiar`. */
  accuse(piece: ByteRange): readonly Source[]
  isLiar(source: Source): boolean
  /** Did this source send the piece around `position` wrong? */
  isAvoided(source: Source, position: number): boolean
}

const mostPieces = 2

export function createCredits(): Credits {
  let credits: readonly { readonly range: ByteRange; readonly source: Source }[] = []
  const overlaps = (a: ByteRange, b: ByteRange) => a.start < b.end && a.end > b.start

  return {
    add(range, source) {
      if (range.end <= range.start) return
      const before = credits.find((one) => one.source === source && one.range.end === range.start)
      const joined = before ? { start: before.range.start, end: range.end } : range
      credits = [...credits.filter((one) => one !== before), { range: joined, source }]
    },
    take(hole) {
      const senders = new Set(credits.filter(({ range }) => overlaps(range, hole)).map(({ source }) => source))
      credits = credits.flatMap(({ range, source }) => without(range, hole).map((rest) => ({ range: rest, source })))
      return senders
    },
  }
}

export function createBlame(pieceLength: number, credits: Pick<Credits, 'take'>): Blame {
  const wrong = new Map<number, Set<Source>>() // by start of the piece
  const strikes = new Map<Source, number>()

  return {
    accuse(piece) {
      const guilty = credits.take(piece)
      const known = wrong.get(piece.start) ?? new Set()
      for (const source of guilty) {
        known.add(source)
        strikes.set(source, (strikes.get(source) ?? 0) + 1)
      }
      wrong.set(piece.start, known)
      return [...guilty]
    },
    isLiar: (source) => (strikes.get(source) ?? 0) >= mostPieces,
    isAvoided: (source, position) => wrong.get(alignDown(position, pieceLength))?.has(source) ?? false,
  }
}

function without(range: ByteRange, hole: ByteRange): readonly ByteRange[] {
  const before = { start: range.start, end: Math.min(range.end, hole.start) }
  const after = { start: Math.max(range.start, hole.end), end: range.end }
  return [before, after].filter(({ start, end }) => start < end)
}
