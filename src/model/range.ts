/** Bytes from `start` up to, not including, `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** What a Range header asked for, before the size is known. */
export type RangeSpec =
  | { readonly kind: 'from'; readonly start: number; readonly end: number | undefined } // half-open; no end: to the last byte
  | { readonly kind: 'suffix'; readonly length: number }

const maxRanges = 64
const spec = /^(?:(\d{1,15})-(\d{1,15})?|-(\d{1,15}))$/

/**
 * Reads a Range field. Undefined means: behave as if it were not there, which is what RFC 9110 asks for
 * other units, bad syntax and (14.2) requests with more ranges than a server cares to serve.
 *
 * @see RFC 9110 §14.1.2, §14.2
 */
export function parseRange(header: string | undefined): readonly RangeSpec[] | undefined {
  const list = /^bytes[ \t]*=(.*)$/i.exec(header ?? '')?.[1]
  if (list === undefined) return undefined
  const parts = list
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  if (parts.length === 0 || parts.length > maxRanges) return undefined
  const specs: RangeSpec[] = []
  for (const part of parts) {
    const match = spec.exec(part)
    if (!match) return undefined
    const [, first, last, suffix] = match
    if (suffix !== undefined) specs.push({ kind: 'suffix', length: Number(suffix) })
    else specs.push({ kind: 'from', start: Number(first), end: last === undefined ? undefined : Number(last) + 1 })
  }
  return specs
}

/** The bytes a spec means for a representation of `size` bytes, clipped; undefined when none of it is there, or its ends are swapped. */
export function satisfy(range: RangeSpec, size: number): ByteRange | undefined {
  if (range.kind === 'suffix')
    return range.length === 0 || size === 0 ? undefined : { start: Math.max(0, size - range.length), end: size }
  const end = Math.min(range.end ?? size, size)
  return range.start >= end ? undefined : { start: range.start, end }
}

/** `bytes 0-99/200`; a total not yet known is `*`. @see RFC 9110 §14.4 */
export function printContentRange(range: ByteRange, total: number | undefined): string {
  return `bytes ${range.start}-${range.end - 1}/${total ?? '*'}`
}

/** Reads `bytes 0-99/200` from a 206; undefined when it is absent or malformed. @see RFC 9110 §14.4 */
export function parseContentRange(header: string | undefined): { range: ByteRange; total: number | undefined } | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(?:(\d{1,15})|\*)$/i.exec(header?.trim() ?? '')
  if (!match) return undefined
  const range = { start: Number(match[1]), end: Number(match[2]) + 1 }
  const total = match[3] === undefined ? undefined : Number(match[3])
  return range.end <= range.start || (total !== undefined && range.end > total) ? undefined : { range, total }
}
