/** Blobs up to this many bytes are shown only whole, so that a wrong one fails with a status of its own. */
export const wholeUpTo = 1024 * 1024

/**
 * Where the bytes end that a reader may see, given where the held bytes around it end.
 *
 * Until the whole digest agrees nobody gets the last byte; where the size is unknown any byte may be the last.
 */
export function visible(heldEnd: number, size: number | undefined, agreed: boolean): number {
  if (agreed) return heldEnd
  if (size === undefined) return heldEnd > wholeUpTo ? heldEnd - 1 : 0
  return size <= wholeUpTo ? 0 : Math.min(heldEnd, size - 1)
}
