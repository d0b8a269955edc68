import type { Source } from '../model/artifact.ts'
import { digestOf } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { createIntervals } from '../model/intervals.ts'
import type { PieceHashes } from '../model/pieces.ts'
import type { ByteRange } from '../model/range.ts'
import type { Spool } from '../store/blob-store.ts'
import type { Hasher } from '../system/hasher.ts'
import type { Logger } from '../system/log.ts'
import { type Credits, createBlame } from './blame.ts'
import type { Checks } from './crew.ts'
import { nameOf } from './name-of.ts'
import type { Sources } from './sources.ts'
import { createVerified } from './verified.ts'

export interface CheckingDeps {
  readonly what: string
  readonly pieces: PieceHashes
  readonly size: number // bytes
  readonly spool: Pick<Spool, 'path' | 'held' | 'forget'>
  readonly sources: Sources
  readonly credits: Pick<Credits, 'take'>
  readonly hasher: Pick<Hasher, 'part'>
  readonly log: Logger
  /** More may be shown, or something must be fetched again. */
  readonly changed: () => void
  /** A piece that may have been shown before its hash was known is wrong. */
  readonly shownWrong: (fault: Fault, piece: ByteRange) => void
  readonly failed: (error: unknown) => void
}

/** Piece hashes at work in one fill. They come from a document that nobody vouches for: they may turn out to be wrong. */
export interface Checking extends Checks {
  came(start: number, end: number): void
  /** How many bytes from a position on may be shown. */
  reach(position: number): number
  /** Every source disagrees with some piece: it must be the hashes. Then they count no more. */
  readonly isGivenUp: boolean
  /** Who was left for wrong pieces: to be told of once the digest has proved the hashes right. */
  readonly liars: ReadonlyMap<Source, Fault>
  giveUp(): void
}

export function createChecking(deps: CheckingDeps): Checking {
  const { what, pieces, size, spool, sources, log } = deps
  const blame = createBlame(pieces.length, deps.credits)
  const before = createIntervals(spool.held.ranges) // shown by the rules for bytes without pieces
  const liars = new Map<Source, Fault>()
  let isGivenUp = false

  const verified = createVerified({
    pieces,
    size,
    reach: (position) => spool.held.reach(position),
    hash: (range) => deps.hasher.part(spool.path, range),
    agreed(piece) {
      blame.acquit(piece)
      deps.changed()
    },
    disagreed,
    failed(error) {
      if (!isGivenUp) deps.failed(error)
    },
  })

  function disagreed(piece: ByteRange): void {
    if (isGivenUp) return
    const guilty = blame.accuse(piece)
    log.warn('fill.piece', { what, start: piece.start, end: piece.end, sources: guilty.map(nameOf) })
    if (isHopeless(piece)) {
      checking.stuck()
      return
    }
    for (const source of guilty) {
      if (!blame.isLiar(source) || sources.usable().length < 2) continue
      sources.exclude(source, faultOf(piece))
      liars.set(source, faultOf(piece))
    }
    const wasShown = before.reach(piece.start) > 0 || before.nextHeld(piece.start, piece.end) < piece.end
    spool.forget(piece.start, piece.end)
    before.remove(piece.start, piece.end)
    if (wasShown) deps.shownWrong(faultOf(piece), piece)
    deps.changed()
  }

  /** Everybody who is left sent this piece wrong, and alone: it must be the hash. */
  function isHopeless({ start }: ByteRange): boolean {
    const usable = sources.usable()
    return usable.every((source) => blame.isAvoided(source, start)) && !blame.retry(usable)
  }

  function giveUp(): void {
    isGivenUp = true
    deps.changed()
  }

  function faultOf(piece: ByteRange): Fault {
    const expected = pieces.hashes.subarray((piece.start / pieces.length) * 32, (piece.start / pieces.length + 1) * 32)
    const name = `bytes ${piece.start}-${piece.end - 1} of ${what}`
    return new Fault('corrupt', {
      what: name,
      expected: digestOf('sha256', Buffer.from(expected).toString('hex')),
      actual: 'others',
    })
  }

  const checking: Checking = {
    pieceLength: pieces.length,
    liars,
    isOver: () => isGivenUp || verified.bytes.total === size,
    isAvoided: blame.isAvoided,
    isContested: blame.isContested,
    giveUp,
    stuck() {
      if (blame.retry(sources.usable())) return deps.changed()
      log.warn('fill.pieces', {
        what,
        why: 'every source disagrees with one of them, so the hashes are taken to be wrong',
      })
      giveUp()
    },
    came(start, end) {
      if (!isGivenUp) verified.came(start, end)
    },
    reach: (position) =>
      isGivenUp ? spool.held.reach(position) : Math.max(verified.bytes.reach(position), before.reach(position)),
    get isGivenUp() {
      return isGivenUp
    },
  }
  for (const { start, end } of spool.held.ranges) verified.came(start, end)
  return checking
}
