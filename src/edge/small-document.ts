import { createHash } from 'node:crypto'
import { Fault } from '../model/fault.ts'
import type { Fields } from './artifact-fields.ts'
import { evaluate } from './conditions.ts'
import type { Exchange } from './exchange.ts'

/** Something we made ourselves and have in memory: a download with a name, told apart by its bytes. */
export interface SmallDocument {
  readonly body: Buffer
  readonly etag: string
  readonly mediaType: string
  readonly fileName: string
}

export function smallDocument(text: string, mediaType: string, fileName: string): SmallDocument {
  const body = Buffer.from(text)
  return { body, mediaType, fileName, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 32)}"` }
}

/** HEAD, GET and conditions of it. @throws Fault 'precondition-failed' */
export function sendDocument(
  { incoming, outgoing, isHead }: Exchange,
  { body, etag, mediaType, fileName }: SmallDocument,
  cacheControl: string,
  own: Fields = [],
): void {
  const verdict = evaluate(incoming.headers, { etag, lastModified: undefined })
  if (verdict === 'failed') throw new Fault('precondition-failed', { what: 'If-Match', why: 'the document is another one now' })
  const fields = [
    'ETag',
    etag,
    'Cache-Control',
    cacheControl,
    'Vary',
    'Accept, Host',
    'X-Content-Type-Options',
    'nosniff',
    ...own,
  ]
  if (verdict === 'not-modified') {
    outgoing.writeHead(304, fields)
    outgoing.end()
    return
  }
  const disposition = `attachment; filename="${fileName}"`
  const about = ['Content-Type', mediaType, 'Content-Length', String(body.length), 'Content-Disposition', disposition]
  outgoing.writeHead(200, [...about, ...fields])
  outgoing.end(isHead ? undefined : body)
}

/** What somebody had to say its name for is not for caches that others share. @see RFC 9111 §5.2.2 */
export function cachedFor({ principal, isCallers }: Exchange, seconds: number): string {
  return `${principal.kind === 'anonymous' && !isCallers ? 'public' : 'private'}, max-age=${seconds}`
}
