import type { IncomingHttpHeaders } from 'node:http'
import { type ByteRange, parseRange, type RangeSpec, satisfy } from '../model/range.ts'

/** What the conditions of a request say about an artifact with this ETag. @see RFC 9110 §13.2.2 */
export function evaluate(headers: IncomingHttpHeaders, etag: string): 'go-on' | 'not-modified' | 'failed' {
  if (headers['if-match'] !== undefined && !matches(headers['if-match'], etag)) return 'failed'
  return headers['if-none-match'] !== undefined && matches(headers['if-none-match'], etag) ? 'not-modified' : 'go-on'
}

/** Which part of `size` bytes to send. @see RFC 9110 §13.1.5 (If-Range: an ETag that is not ours, or a date, asks for the whole) */
export function chooseRanges(
  headers: IncomingHttpHeaders,
  etag: string | undefined,
  size: number | undefined,
): 'whole' | 'unsatisfiable' | readonly ByteRange[] {
  const { range } = headers
  if (range === undefined || size === undefined) return 'whole'
  const condition = headers['if-range']
  if (condition !== undefined && String(condition) !== etag) return 'whole'
  const specs = parseRange(range)
  return specs ? rangesOf(specs, size) : 'whole'
}

/** Ranges that together come to more than the whole are not worth serving. @see RFC 9110 §14.2 */
function rangesOf(specs: readonly RangeSpec[], size: number): ReturnType<typeof chooseRanges> {
  const ranges = specs.map((one) => satisfy(one, size)).filter((one) => one !== undefined)
  if (ranges.length === 0) return 'unsatisfiable'
  const total = ranges.reduce((sum, { start, end }) => sum + end - start, 0)
  return ranges.length > 1 && total > size ? 'whole' : ranges
}

function matches(field: string, etag: string): boolean {
  return field.trim() === '*' || field.split(',').some((one) => one.trim().replace(/^W\//, '') === etag)
}
