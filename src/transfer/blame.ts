import type { Source } from '../model/artifact.ts'
import type { ByteRange } from '../model/range.ts'
import { alignDown } from './plan.ts'

/** Who sent which bytes of a fill, from its very first one on: that there are piece hashes may be learnt later. */
export interface Credits {
  add(range: ByteRange, source: Source): void
  /** Whoever sent any of it, which is gone then: only what comes next may be blamed for it. */
  take(range: ByteRange): ReadonlySet<Source>
}

/** Whose pieces were wrong. Of a piece that several sent it is not known which of them it was. */
export interface Blame {
  /** The piece was right. */
  acquit(piece: ByteRange): void
  /** The piece was wrong: whoever sent any of it. */
  accuse(piece: ByteRange): readonly Source[]
  /** It sent several wrong pieces, each alone, and too many for the right ones to be worth it. */
  isLiar(source: Source): boolean
  /** Was the piece around `position` wrong, and is not right yet? */
  isContested(position: number): boolean
  /** Should this source not be asked for the piece around `position`, as it sent some of it when it was wrong? */
  isAvoided(source: Source, position: number): boolean
  /**
   * Where all of these are avoided for a wrong piece, one that was not alone with it is tried alone, each once. False
   * where nobody is left to try.
   */
  retry(among: readonly Source[]): boolean
}

const fewest = 2 // wrong pieces: one alone may be an accident
const mostOfAll = 1 / 4

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

/** What became of one piece that was wrong. */
interface WrongPiece {
  readonly alone: Set<Source> // sent all of it
  readonly together: Set<Source> // sent some of it
  trial: Source | undefined // is asked alone
  chances: number // it has left; others may have got in its way
}

const chancesOfOne = 3

export function createBlame(pieceLength: number, credits: Pick<Credits, 'take'>): Blame {
  const wrong = new Map<number, WrongPiece>() // by start of the piece, until it is right
  const counts = new Map<Source, { right: number; wrong: number }>()

  function countOf(source: Source): { right: number; wrong: number } {
    const count = counts.get(source) ?? { right: 0, wrong: 0 }
    counts.set(source, count)
    return count
  }

  const isAvoidedFor = ({ alone, together, trial, chances }: WrongPiece, source: Source) =>
    alone.has(source) || (together.has(source) && (trial !== source || chances === 0))

  function tryAlone(piece: WrongPiece, among: readonly Source[]): boolean {
    if (!among.every((source) => isAvoidedFor(piece, source))) return false
    if (piece.trial) piece.alone.add(piece.trial)
    piece.trial = among.find((source) => !piece.alone.has(source))
    piece.chances = chancesOfOne
    return piece.trial !== undefined
  }

  return {
    acquit(piece) {
      wrong.delete(piece.start)
      for (const source of credits.take(piece)) countOf(source).right++
    },
    accuse(piece) {
      const senders = [...credits.take(piece)]
      const known = wrong.get(piece.start) ?? { alone: new Set(), together: new Set(), trial: undefined, chances: 0 }
      if (known.chances > 0) known.chances--
      wrong.set(piece.start, known)
      for (const source of senders) known[senders.length === 1 ? 'alone' : 'together'].add(source)
      if (senders.length === 1) countOf(senders[0]!).wrong++
      return senders
    },
    isLiar(source) {
      const { right, wrong } = countOf(source)
      return wrong >= fewest && wrong > (right + wrong) * mostOfAll
    },
    isContested: (position) => wrong.has(alignDown(position, pieceLength)),
    isAvoided(source, position) {
      const known = wrong.get(alignDown(position, pieceLength))
      return known !== undefined && isAvoidedFor(known, source)
    },
    retry: (among) => [...wrong.values()].map((piece) => tryAlone(piece, among)).includes(true),
  }
}

function without(range: ByteRange, hole: ByteRange): readonly ByteRange[] {
  const before = { start: range.start, end: Math.min(range.end, hole.start) }
  const after = { start: Math.max(range.start, hole.end), end: range.end }
  return [before, after].filter(({ start, end }) => start < end)
}
