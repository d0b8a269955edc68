import type { IncomingMessage, ServerResponse } from 'node:http'
import { now } from '../now.ts'
import type { Content, Noise } from './content.ts'
import type { Entry } from './log.ts'
import type { Place } from './place.ts'

const pacedStep = 256 * 1024 // four milliseconds at 60 MB/s
const freeStep = 1024 * 1024

/** A blob or one range of it, from memory and in the way of the place. */
export async function serveBlob(
  request: IncomingMessage,
  response: ServerResponse,
  {
    content,
    digest,
    noise,
    place,
    link,
    entry,
  }: { content: Content; digest: string; noise: Noise; place: Place; link: string | undefined; entry: Entry },
): Promise<void> {
  if (place.isSilent) return
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
    ...(link ? { link } : {}),
    ...(range ? { 'content-range': `bytes ${from}-${to - 1}/${content.size}` } : {}),
  })
  if (request.method === 'HEAD') {
    response.end()
    return
  }
  response.flushHeaders() // not with the first bytes, which a slow line carries later
  const step = place.isPaced ? pacedStep : freeStep
  for (let position = from; position < to; ) {
    const bytes = noise.at(content, position, Math.min(step, to - position))
    if (place.isSilent) return
    await place.take(bytes.length)
    if (response.destroyed) return
    entry.firstByteAt ??= now()
    if (!(await written(response, place.sends(bytes, position)))) return
    entry.sentBytes += bytes.length
    position += bytes.length
  }
  entry.lastByteAt = now()
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
