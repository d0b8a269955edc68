import type { IncomingHttpHeaders } from 'node:http'
import { type ByteRange, parseRange, type RangeSpec, satisfy } from '../model/range.ts'
import type { Version } from './versions.ts'

/** What the conditions of a request say about bytes of this version. @see RFC 9110 §13.2.2 */
export function evaluate(headers: IncomingHttpHeaders, { etag, lastModified }: Version): 'go-on' | 'not-modified' | 'failed' {
  const { 'if-match': only, 'if-none-match': unless, 'if-modified-since': since } = headers
  if (only !== undefined && !(etag !== undefined && !isWeak(etag) && matches(only, etag))) return 'failed'
  if (unless !== undefined) return etag !== undefined && matches(unless, etag) ? 'not-modified' : 'go-on'
  return since !== undefined && isUnchanged(since, lastModified) ? 'not-modified' : 'go-on'
}

/** Which part of `size` bytes to send. @see RFC 9110 §13.1.5 (If-Range: what is not this version asks for the whole) */
export function chooseRanges(
  headers: IncomingHttpHeaders,
  { etag, lastModified }: Version,
  size: number | undefined,
): 'whole' | 'unsatisfiable' | readonly ByteRange[] {
  const { range } = headers
  if (range === undefined || size === undefined) return 'whole'
  const condition = headers['if-range']
  if (condition !== undefined && (isWeak(String(condition)) || ![etag, lastModified].includes(String(condition)))) return 'whole'
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

function isWeak(etag: string): boolean {
  return etag.startsWith('W/')
}

function matches(field: string, etag: string): boolean {
  const strong = etag.replace(/^W\//, '')
  return field.trim() === '*' || field.split(',').some((one) => one.trim().replace(/^W\//, '') === strong)
}

/** @see RFC 9110 §13.1.3 */
function isUnchanged(since: string, lastModified: string | undefined): boolean {
  return lastModified !== undefined && (since === lastModified || Date.parse(lastModified) <= Date.parse(since))
}
