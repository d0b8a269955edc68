import { parseLinks } from '../formats/metalink-headers.ts'
import { Fault } from '../model/fault.ts'
import { parseContentRange } from '../model/range.ts'
import type { HttpResponse } from '../system/http.ts'
import { redactUrl } from '../system/redact.ts'
import { statusFault } from './oci-session.ts'
import type { MetalinkLinks, SourceBody } from './upstream.ts'

/** An answer that is not used lets its connection go; whoever asked has nothing to abort. */
export function checkedBody(answer: HttpResponse, asked: { start: number; end?: number } | undefined): Omit<SourceBody, 'body'> {
  try {
    return check(answer, asked)
  } catch (error) {
    answer.cancel()
    throw error
  }
}

function check(answer: HttpResponse, asked: { start: number; end?: number } | undefined): Omit<SourceBody, 'body'> {
  const url = redactUrl(answer.url)
  if (answer.status === 416) throw new Fault('source-changed', { url, why: `it has nothing at ${asked?.start}` })
  if (answer.status !== 200 && answer.status !== 206) throw statusFault(answer)
  const coding = answer.header('content-encoding')
  if (coding !== undefined && coding !== 'identity')
    throw new Fault('upstream-invalid', { url, why: `it is encoded as ${coding.slice(0, 40)}` })
  const etag = answer.header('etag')
  const validator = etag?.startsWith('"') ? etag : undefined
  const length = lengthOf(answer)
  const links = linksOf(answer)
  if (answer.status === 200) return { status: 200, range: { start: 0, end: length }, total: length, validator, ...links }
  const told = parseContentRange(answer.header('content-range'))
  const isAsked =
    asked !== undefined && told?.range.start === asked.start && (asked.end === undefined || told.range.end <= asked.end)
  if (!told || !isAsked) {
    throw new Fault('source-changed', {
      url,
      why: `it answers with other bytes than those from ${asked?.start} that were asked for`,
    })
  }
  return { status: 206, range: told.range, total: told.total, validator, ...links }
}

/** @see RFC 6249 */
function linksOf(answer: HttpResponse): { links?: MetalinkLinks } {
  const fields = answer.headers('link')
  if (fields.length === 0) return {}
  const links = parseLinks(fields, answer.url.href)
  return links.duplicates.length + links.describedBy.length > 0 ? { links } : {}
}

export function lengthOf(answer: HttpResponse): number | undefined {
  const field = answer.header('content-length')
  return field !== undefined && /^\d{1,15}$/.test(field) ? Number(field) : undefined
}
