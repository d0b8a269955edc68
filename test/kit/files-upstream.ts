import { digestOfBytes } from './blobs.ts'
import type { Answer } from './upstream/answer.ts'
import { createFakeWeb, type FakeWeb, page, type WebRequest } from './upstream/fake-web.ts'
import type { Deal, Place } from './upstream/rules.ts'

export interface FakeFileOptions {
  readonly etag?: string | undefined // by its bytes unless said
  readonly lastModified?: string | undefined // of the first of them unless said
  readonly mediaType?: string
  readonly hasConditions?: boolean // 304; true unless said
  readonly headers?: Readonly<Record<string, string>>
}

/** A web server on loopback with files below `/pub`, and another one with the same below `/copy`. */
export interface FakeFiles extends FakeWeb {
  readonly base: string // of the upstream, with its path
  readonly copy: string // of the other one
  /** `path` as it is in a URL, without the base; answers of both. */
  put(path: string, bytes: Uint8Array | string, options?: FakeFileOptions): void
  remove(path: string): void
  /** What was asked so far of the upstream: method and path without the base. */
  asked(on?: Place): readonly string[]
  /** How many answers of the upstream brought bytes of it. */
  bodiesOf(path: string, on?: Place): number
}

interface FakeFile extends FakeFileOptions {
  readonly bytes: Buffer
}

const bases: Readonly<Record<string, string>> = { registry: '/pub/', cdn: '/copy/' }
const firstDate = 'Sat, 01 Nov 2025 10:00:00 GMT'

export async function createFakeFiles(deal?: Deal): Promise<FakeFiles> {
  const files = new Map<string, FakeFile>()

  function answer({ on, path, headers }: WebRequest): Answer {
    const name = path.startsWith(bases[on]!) ? path.slice(bases[on]!.length) : undefined
    const file = name === undefined ? undefined : files.get(name)
    if (!file) return page(404, 'Not Found')
    const etag = 'etag' in file ? file.etag : `"${digestOfBytes(file.bytes, 'md5').slice(4, 20)}"`
    const lastModified = 'lastModified' in file ? file.lastModified : firstDate
    const told = {
      'content-type': file.mediaType ?? 'application/x-sif',
      ...(etag !== undefined && { etag }),
      ...(lastModified !== undefined && { 'last-modified': lastModified }),
      ...file.headers,
    }
    const unless = headers['if-none-match']
    const isSame = unless === undefined ? headers['if-modified-since'] === lastModified : unless === etag
    if (file.hasConditions !== false && isSame && (unless ?? lastModified) !== undefined)
      return { status: 304, headers: told, bytes: Buffer.alloc(0) }
    return { status: 200, headers: told, bytes: file.bytes, ranged: true }
  }

  const web = await createFakeWeb(answer, deal)
  const requestsOf = (on: Place) => web.requests.filter((request) => request.on === on)

  return {
    ...web,
    get bodies() {
      return web.bodies
    },
    base: `${web.url}/pub`,
    copy: `${web.files.url}/copy`,
    put: (path, bytes, options = {}) => void files.set(path, { ...options, bytes: Buffer.from(bytes) }),
    remove: (path) => void files.delete(path),
    asked: (on = 'registry') =>
      requestsOf(on).map(({ method, path }) => `${method} ${path.replace(bases[on]!, '').replace(/^$/, '/')}`),
    bodiesOf: (path, on = 'registry') =>
      requestsOf(on).filter((one) => one.method === 'GET' && one.path === bases[on] + path && one.bodyBytesSent > 0).length,
  }
}
