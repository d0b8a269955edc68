import type { Reply } from './ask.ts'

/** The parts of a multipart/byteranges body. @see RFC 9110 §14.6 */
export function readParts({ headers, body }: Pick<Reply, 'headers' | 'body'>): { contentRange: string; bytes: Buffer }[] {
  const boundary = /^multipart\/byteranges; *boundary="?([^";]+)"?$/.exec(String(headers['content-type']))?.[1]
  if (boundary === undefined) throw new Error(`not multipart/byteranges: ${headers['content-type']}`)
  const parts: { contentRange: string; bytes: Buffer }[] = []
  const delimiter = `--${boundary}`
  let at = body.indexOf(delimiter) + delimiter.length
  while (body.toString('latin1', at, at + 2) !== '--') {
    const headEnd = body.indexOf('\r\n\r\n', at)
    const end = body.indexOf(`\r\n${delimiter}`, headEnd + 4)
    if (headEnd < 0 || end < 0) throw new Error('a part has no end')
    const contentRange = /^content-range: *(.+)$/im.exec(body.toString('latin1', at, headEnd))?.[1]?.trim() ?? ''
    parts.push({ contentRange, bytes: body.subarray(headEnd + 4, end) })
    at = end + 2 + delimiter.length
  }
  return parts
}
