import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { now } from '../now.ts'
import { createNoise } from './content.ts'
import { createDescribed, describedType } from './described.ts'
import { libraryAnswer } from './library.ts'
import { createUpstreamLog, type Entry } from './log.ts'
import { type Behaviour, createPlace, type Place } from './place.ts'
import { serveBlob } from './serve-blob.ts'
import { createShelf, manifestType, type Order } from './shelf.ts'

// The upstream of the bench, as a process of its own: `node process.ts PORT…`, each port a place of its own with the same
// bytes. `/v2/` is a registry, `/v1/` a library, `/control/` is for the bench: PUT image, PUT described, PUT behaviour, GET log. It ends with
// the process that started it.

const noise = createNoise()
const shelf = createShelf(noise)
const log = createUpstreamLog()
const described = createDescribed(noise)
const places = new Map(process.argv.slice(2).map((port) => [Number(port), createPlace()]))

for (const [port, place] of places) {
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    const isControl = path.startsWith('/control/')
    const answered = isControl ? control(path, request, response) : registry(path, request, response, { port, place })
    answered.catch((error: unknown) => {
      process.stderr.write(`${request.method} ${path}: ${String(error)}\n`)
      response.destroy()
    })
  })
  server.keepAliveTimeout = 60_000
  server.listen(port, '127.0.0.1')
}
process.once('SIGTERM', () => process.exit(0))
const parent = process.ppid
setInterval(() => process.ppid === parent || process.exit(0), 1_000).unref()

async function control(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const body: unknown = chunks.length > 0 ? JSON.parse(Buffer.concat(chunks).toString()) : undefined
  switch (`${request.method} ${path}`) {
    case 'PUT /control/image':
      return json(response, shelf.publish(body as Order))
    case 'PUT /control/described': {
      const { digest } = body as { digest: string }
      const content = shelf.blob(digest)
      if (content === undefined || Buffer.isBuffer(content)) return json(response, {}, 404)
      described.add(digest, content)
      return json(response, {})
    }
    case 'PUT /control/behaviour': {
      const { port, how } = body as { port: number; how: Behaviour }
      places.get(port)?.behave(how)
      return json(response, {}, places.has(port) ? 200 : 404)
    }
    case 'GET /control/log':
      return json(response, log.take())
    default:
      return json(response, {}, 404)
  }
}

async function registry(
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
  { port, place }: { port: number; place: Place },
): Promise<void> {
  const base = `http://127.0.0.1:${port}`
  const entry = log.begin(request.method ?? '', path, port)
  response.once('close', () => {
    entry.endedAt = now()
  })
  const [, kind, name = ''] = /^\/v2\/.+\/(manifests|blobs)\/([^/?]+)(?:\?.*)?$/.exec(path) ?? []
  if (path === '/v2/') return json(response, {})
  const metalink = described.documentAt(path, base)
  if (metalink !== undefined) return document(request, response, { bytes: metalink, mediaType: describedType, entry })
  const library = libraryAnswer(path, shelf)
  if (library?.kind === 'document') return document(request, response, { ...library, mediaType: 'application/json', entry })
  const digest = library?.digest ?? name
  const blob = library || kind === 'blobs' ? shelf.blob(digest) : undefined
  const manifest = kind === 'manifests' ? shelf.manifest(name) : undefined
  if (manifest !== undefined) return document(request, response, { ...manifest, mediaType: manifestType, entry })
  if (Buffer.isBuffer(blob)) {
    return document(request, response, { bytes: blob, digest, mediaType: 'application/octet-stream', entry })
  }
  if (blob !== undefined) {
    const link = described.linkTo(digest, base)
    return serveBlob(request, response, { content: blob, digest, noise, place, link, entry })
  }
  return json(response, { errors: [{ code: kind === 'blobs' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN', message: 'unknown' }] }, 404)
}

function document(
  request: IncomingMessage,
  response: ServerResponse,
  { bytes, digest, mediaType, entry }: { bytes: Buffer; digest?: string; mediaType: string; entry: Entry },
): void {
  response.writeHead(200, {
    'content-type': mediaType,
    'content-length': bytes.length,
    ...(digest ? { 'docker-content-digest': digest, etag: `"${digest}"` } : {}),
  })
  if (request.method === 'HEAD') return void response.end()
  entry.firstByteAt = now()
  entry.sentBytes = bytes.length
  response.end(bytes)
}

function json(response: ServerResponse, value: unknown, status = 200): void {
  const bytes = Buffer.from(JSON.stringify(value))
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length }).end(bytes)
}
