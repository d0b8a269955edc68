import type { ByteRange } from './range.ts'

/** Hashes of the equal parts of a file, the last of which may be shorter. @see RFC 5854 §4.1.3 */
export interface PieceHashes {
  readonly length: number // bytes of a piece
  readonly hashes: Uint8Array // raw sha-256, 32 bytes each, in order
}

export const pieceHashBytes = 32
const MiB = 1024 * 1024

/**
 * How long the pieces of a file of `size` bytes are; undefined where it is too small to be worth any.
 * Fixed by the size alone, so that a download begun with one document can go on with a later one.
 */
export function pieceLengthFor(size: number): number | undefined {
  if (size < 4 * MiB) return undefined
  if (size <= 256 * MiB) return MiB
  return size <= 8192 * MiB ? 4 * MiB : 16 * MiB
}

export function pieceCount(size: number, length: number): number {
  return Math.ceil(size / length)
}

/** Which piece of a file of `size` bytes lies there, counted from 0; undefined where it is not exactly one. */
export function pieceAt({ start, end }: ByteRange, size: number): number | undefined {
  const length = pieceLengthFor(size)
  if (length === undefined || start % length !== 0 || end !== Math.min(size, start + length)) return undefined
  return start / length
}

/** The hashes as what they should be for that size; undefined when their number is another. */
export function asPieces(hashes: Uint8Array, size: number): PieceHashes | undefined {
  const length = pieceLengthFor(size)
  return length !== undefined && hashes.length === pieceCount(size, length) * pieceHashBytes ? { length, hashes } : undefined
}
