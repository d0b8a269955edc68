import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { now } from '../now.ts'
import { createNoise } from './content.ts'
import { createUpstreamLog, type Entry } from './log.ts'
import { createPace, type Pace } from './pace.ts'
import { serveBlob } from './serve-blob.ts'
import { createShelf, manifestType, type Order } from './shelf.ts'

// The upstream of the bench, as a process of its own: `node process.ts PORT`. `/v2/` is a registry, `/control/` is for the
// bench: PUT image, PUT pace, GET log. It ends with the process that started it.

const noise = createNoise()
const shelf = createShelf(noise)
const log = createUpstreamLog()
let pace: Pace | undefined

const server = createServer((request, response) => {
  const path = request.url ?? '/'
  const answered = path.startsWith('/control/') ? control(path, request, response) : registry(path, request, response)
  answered.catch((error: unknown) => {
    process.stderr.write(`${request.method} ${path}: ${String(error)}\n`)
    response.destroy()
  })
})
server.keepAliveTimeout = 60_000
server.listen(Number(process.argv[2]), '127.0.0.1')
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
    case 'PUT /control/pace': {
      const { bytesPerSecond } = body as { bytesPerSecond?: number }
      pace = bytesPerSecond === undefined ? undefined : createPace(bytesPerSecond)
      return json(response, {})
    }
    case 'GET /control/log':
      return json(response, log.take())
    default:
      return json(response, {}, 404)
  }
}

async function registry(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const entry = log.begin(request.method ?? '', path)
  response.once('close', () => {
    entry.endedAt = now()
  })
  const [, kind, name = ''] = /^\/v2\/.+\/(manifests|blobs)\/([^/?]+)(?:\?.*)?$/.exec(path) ?? []
  if (path === '/v2/') return json(response, {})
  const blob = kind === 'blobs' ? shelf.blob(name) : undefined
  const manifest = kind === 'manifests' ? shelf.manifest(name) : undefined
  if (manifest !== undefined) return document(request, response, { ...manifest, mediaType: manifestType, entry })
  if (Buffer.isBuffer(blob)) {
    return document(request, response, { bytes: blob, digest: name, mediaType: 'application/octet-stream', entry })
  }
  if (blob !== undefined) return serveBlob(request, response, { content: blob, digest: name, noise, pace, entry })
  return json(response, { errors: [{ code: kind === 'blobs' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN', message: 'unknown' }] }, 404)
}

function document(
  request: IncomingMessage,
  response: ServerResponse,
  { bytes, digest, mediaType, entry }: { bytes: Buffer; digest: string; mediaType: string; entry: Entry },
): void {
  response.writeHead(200, {
    'content-type': mediaType,
    'content-length': bytes.length,
    'docker-content-digest': digest,
    etag: `"${digest}"`,
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
