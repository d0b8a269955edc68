import { createIntervals, type Intervals } from '../model/intervals.ts'
import { type PieceHashes, pieceHashBytes } from '../model/pieces.ts'
import type { ByteRange } from '../model/range.ts'

/** Which bytes of a spool agree with piece hashes, and so may be shown whoever sent them. */
export interface Verified {
  readonly bytes: Pick<Intervals, 'reach' | 'total'>
  /** These bytes came in: pieces that are whole now are hashed. */
  came(start: number, end: number): void
  /** The piece around a position. */
  pieceAt(position: number): ByteRange
}

export interface VerifiedDeps {
  readonly pieces: PieceHashes
  readonly size: number
  /** What is held from a position on, in bytes. */
  readonly reach: (position: number) => number
  /** Raw sha-256 of a range of the spool. @throws Fault 'disk-failed' */
  readonly hash: (range: ByteRange) => Promise<Uint8Array>
  readonly agreed: (range: ByteRange) => void
  readonly disagreed: (range: ByteRange) => void
  readonly failed: (error: unknown) => void
}

export function createVerified(deps: VerifiedDeps): Verified {
  const { pieces, size } = deps
  const bytes = createIntervals()
  const hashing = new Set<number>() // pieces

  function rangeOf(piece: number): ByteRange {
    const start = piece * pieces.length
    return { start, end: Math.min(size, start + pieces.length) }
  }

  async function check(piece: number): Promise<void> {
    const range = rangeOf(piece)
    hashing.add(piece)
    try {
      const actual = await deps.hash(range)
      hashing.delete(piece)
      const expected = pieces.hashes.subarray(piece * pieceHashBytes, (piece + 1) * pieceHashBytes)
      if (Buffer.compare(actual, expected) !== 0) return deps.disagreed(range)
      bytes.add(range.start, range.end)
      deps.agreed(range)
    } catch (error) {
      hashing.delete(piece)
      deps.failed(error)
    }
  }

  return {
    bytes,
    came(start, end) {
      const last = Math.floor((end - 1) / pieces.length)
      for (let piece = Math.floor(start / pieces.length); piece <= last; piece++) {
        const range = rangeOf(piece)
        if (hashing.has(piece) || bytes.reach(range.start) > 0) continue
        if (deps.reach(range.start) >= range.end - range.start) void check(piece)
      }
    },
    pieceAt: (position) => rangeOf(Math.floor(position / pieces.length)),
  }
}
