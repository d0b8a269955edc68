import { type Digest, digestOf } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { createIntervals } from '../model/intervals.ts'
import type { PieceHashes } from '../model/pieces.ts'
import type { ByteRange } from '../model/range.ts'
import type { Spool } from '../store/blob-store.ts'
import type { Hasher } from '../system/hasher.ts'
import type { Logger } from '../system/log.ts'
import { type Credits, createBlame } from './blame.ts'
import type { Checks } from './crew.ts'
import { nameOf } from './segment.ts'
import type { Sources } from './sources.ts'
import { createVerified } from './verified.ts'

export interface CheckingDeps {
  readonly what: Digest
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
  giveUp(): void
}

export function createChecking(deps: CheckingDeps): Checking {
  const { what, pieces, size, spool, sources, log } = deps
  const blame = createBlame(pieces.length, deps.credits)
  const before = createIntervals(spool.held.ranges) // shown by the rules for bytes without pieces
  let isGivenUp = false

  const verified = createVerified({
    pieces,
    size,
    reach: (position) => spool.held.reach(position),
    hash: (range) => deps.hasher.part(spool.path, range),
    agreed: deps.changed,
    disagreed,
    failed(error) {
      if (!isGivenUp) deps.failed(error)
    },
  })

  function disagreed(piece: ByteRange): void {
    if (isGivenUp) return
    const guilty = blame.accuse(piece)
    log.warn('fill.piece', { digest: what, start: piece.start, end: piece.end, sources: guilty.map(nameOf) })
    if (sources.usable().every((source) => blame.isAvoided(source, piece.start))) {
      checking.stuck()
      return
    }
    for (const source of guilty) if (blame.isLiar(source) && sources.usable().length > 1) sources.exclude(source, faultOf(piece))
    const wasShown = before.reach(piece.start) > 0 || before.nextHeld(piece.start, piece.end) < piece.end
    spool.forget(piece.start, piece.end)
    before.remove(piece.start, piece.end)
    if (wasShown) deps.shownWrong(faultOf(piece), piece)
    deps.changed()
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
    isOver: () => isGivenUp || verified.bytes.total === size,
    isAvoided: blame.isAvoided,
    giveUp,
    stuck() {
      log.warn('fill.pieces', {
        digest: what,
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
