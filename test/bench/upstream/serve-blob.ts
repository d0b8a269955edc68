import type { IncomingMessage, ServerResponse } from 'node:http'
import { now } from '../now.ts'
import type { Content, Noise } from './content.ts'
import type { Entry } from './log.ts'
import type { Pace } from './pace.ts'

const pacedStep = 256 * 1024 // four milliseconds at 60 MB/s
const freeStep = 1024 * 1024

/** A blob or one range of it, from memory and at the pace of the line. */
export async function serveBlob(
  request: IncomingMessage,
  response: ServerResponse,
  {
    content,
    digest,
    noise,
    pace,
    entry,
  }: { content: Content; digest: string; noise: Noise; pace: Pace | undefined; entry: Entry },
): Promise<void> {
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const from = Number(range?.[1] ?? 0)
  const to = Math.min(content.size, range?.[2] ? Number(range[2]) + 1 : content.size)
  if (from >= to) {
    response.writeHead(416, { 'content-range': `bytes */${content.size}`, 'content-length': 0 }).end()
    return
  }
  response.writeHead(range ? 206 : 200, {
    'content-type': 'application/octet-stream',
    'content-length': to - from,
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
    etag: `"${digest}"`,
    ...(range ? { 'content-range': `bytes ${from}-${to - 1}/${content.size}` } : {}),
  })
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  const step = pace === undefined ? freeStep : pacedStep
  for (let position = from; position < to; ) {
    const bytes = noise.at(content, position, Math.min(step, to - position))
    if (pace !== undefined) await pace.take(bytes.length)
    if (response.destroyed) return
    entry.firstByteAt ??= now()
    if (!(await written(response, bytes))) return
    entry.sentBytes += bytes.length
    position += bytes.length
  }
  response.end()
}

/** False when the client is gone. */
function written(response: ServerResponse, bytes: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    // A socket that is destroyed before it took the bytes may never call back.
    const gone = (): void => resolve(false)
    response.once('close', gone)
    response.write(bytes, (error) => {
      response.off('close', gone)
      resolve(error === undefined || error === null)
    })
  })
}
