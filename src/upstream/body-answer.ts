import { parseLinks } from '../formats/metalink-headers.ts'
import type { Validators } from '../model/artifact.ts'
import { Fault } from '../model/fault.ts'
import { parseContentRange } from '../model/range.ts'
import type { HttpResponse } from '../system/http.ts'
import { redactUrl } from '../system/redact.ts'
import { statusFault } from './oci-session.ts'
import type { MetalinkLinks, SourceBody, SourceReader } from './upstream.ts'

type Want = Parameters<SourceReader['read']>[1]

/** How a part is asked for, if one is. @see RFC 9110 §13.1.5, §14.2 */
export function partFields({ range, validator }: Want): Readonly<Record<string, string>> {
  if (!range) return {}
  const asked = { range: `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}` }
  return validator === undefined ? asked : { ...asked, 'if-range': validator }
}

export async function* leavingAfter(body: AsyncIterable<Uint8Array>, leave: () => void): AsyncGenerator<Uint8Array> {
  try {
    yield* body
  } finally {
    leave()
  }
}

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
  const told = { ...versionOf(answer), ...linksOf(answer) }
  const length = lengthOf(answer)
  if (answer.status === 200) return { status: 200, range: { start: 0, end: length }, total: length, ...told }
  const part = parseContentRange(answer.header('content-range'))
  const isAsked =
    asked !== undefined && part?.range.start === asked.start && (asked.end === undefined || part.range.end <= asked.end)
  if (!part || !isAsked) {
    throw new Fault('source-changed', {
      url,
      why: `it answers with other bytes than those from ${asked?.start} that were asked for`,
    })
  }
  return { status: 206, range: part.range, total: part.total, ...told }
}

const longestValidator = 256

/** What an answer says of the version that it is of. */
export function validatorsOf(answer: HttpResponse): Validators {
  const [etag, lastModified] = ['etag', 'last-modified'].map((name) => {
    const field = answer.header(name)
    return field !== undefined && field.length <= longestValidator ? field : undefined
  })
  return { ...(etag !== undefined && { etag }), ...(lastModified !== undefined && { lastModified }) }
}

/** Asks for nothing but what is of another version. @see RFC 9110 §13.1 */
export function conditionsFor({ etag, lastModified }: Validators): Readonly<Record<string, string>> {
  if (etag !== undefined) return { 'if-none-match': etag }
  return lastModified === undefined ? {} : { 'if-modified-since': lastModified }
}

/** Besides all of it, what `If-Range` may say: a strong ETag, else a date that nothing can have changed under since. */
function versionOf(answer: HttpResponse): Pick<SourceBody, 'validators' | 'validator'> {
  const validators = validatorsOf(answer)
  const { etag, lastModified } = validators
  if (etag?.startsWith('"')) return { validators, validator: etag }
  return { validators, validator: isStrongDate(lastModified, answer.header('date')) ? lastModified : undefined }
}

/** What is changed twice in a second has one date. @see RFC 9110 §8.8.2.2 */
function isStrongDate(lastModified: string | undefined, now: string | undefined): boolean {
  return Date.parse(now ?? '') - Date.parse(lastModified ?? '') >= 1000
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
