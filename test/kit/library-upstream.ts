import { createHash, randomBytes } from 'node:crypto'
import type { Answer } from './upstream/answer.ts'
import { createFakeWeb, type FakeWeb, jsonAnswer, page, redirectTo, type WebRequest } from './upstream/fake-web.ts'
import type { Deal } from './upstream/rules.ts'

export type LibraryKind = 'sylabs' | 'sregistry' | 'hinkskalle'

export interface LibraryImageOptions {
  readonly arch?: string // amd64 unless said
  /** `sha256` unless said; any other text is told as it is. */
  readonly hash?: 'sha256' | 'md5' | 'none' | string
  readonly more?: Readonly<Record<string, unknown>> // further fields, or others in the place of the usual ones
}

/** A server of the library API on loopback. */
export interface FakeLibrary extends FakeWeb {
  /** `entity/collection/container:tag`; a tag that meant something else means this from now on. */
  push(reference: string, bytes: Uint8Array, options?: LibraryImageOptions): void
  remove(reference: string): void
  /** Every presigned URL so far gets 403 from now on. */
  expireUrls(): void
  /** All that was given out as part of a URL and is nobody else's business. */
  readonly secrets: readonly string[]
  /** Authorization fields that came, where they came. */
  readonly authorizations: readonly { readonly on: string; readonly value: string }[]
  /** How many answers had bytes of an image in them. */
  readonly transfers: number
  /** What has been asked, as `GET path?query`, of the library itself. */
  readonly asked: readonly string[]
}

export interface FakeLibraryOptions {
  readonly kind?: LibraryKind // `sylabs` unless said
  /** Status of the redirect to a store of presigned URLs; undefined: it sends the files itself. By default as the kind does. */
  readonly redirect?: 302 | 303 | 307 | 'none'
  readonly token?: string // nothing is told without it
  readonly basePath?: string
  readonly deal?: Deal
  readonly ranges?: boolean // true unless said
  /** Of the remote endpoint, where it has one. */
  readonly keyserver?: () => string
  readonly search?: unknown // what it finds, whatever is looked for
}

interface Pushed extends LibraryImageOptions {
  readonly id: number
  readonly bytes: Buffer
  readonly name: string
}

const usualRedirect = { sylabs: 303, sregistry: 302, hinkskalle: 'none' } as const

export async function createFakeLibrary(options: FakeLibraryOptions = {}): Promise<FakeLibrary> {
  const { kind = 'sylabs', token, basePath = '' } = options
  const redirect = options.redirect ?? usualRedirect[kind]
  const images = new Map<string, Pushed>() // by `name:tag arch`
  const all = new Map<number, Pushed>()
  const signatures = new Map<string, { isExpired: boolean }>()
  const secrets: string[] = []
  const authorizations: { on: string; value: string }[] = []
  const tellsByHash = kind !== 'sregistry'

  function find(path: string, arch: string | null): Pushed | Answer {
    const [, given = '', tag = 'latest'] = /^([^:]+)(?::(.+))?$/.exec(decodeURIComponent(path)) ?? []
    const name = fullName(kind, given)
    if (tellsByHash && tag.startsWith('sha256.'))
      return [...all.values()].find((one) => one.name === name && sha256(one.bytes) === tag) ?? errorOf(kind, 404, 'not found')
    const found = [...images.entries()].filter(([key]) => key.startsWith(`${name}:${tag} `)).map(([, image]) => image)
    if (kind === 'hinkskalle' && arch === null && found.length > 1) return errorOf(kind, 406, 'several architectures')
    const fits = found.find((one) => arch === null || (one.arch ?? 'amd64') === arch)
    return fits ?? errorOf(kind, 404, 'image not found')
  }

  function imageOf(image: Pushed): object {
    const { id, bytes, hash = 'sha256', arch = 'amd64', name, more } = image
    const [container, collection, entity] = name.split('/').reverse()
    const common = {
      id: kind === 'sregistry' ? id : String(id),
      ...(hash !== 'none' && { hash: hashOf(hash, bytes) }),
      arch,
      uploaded: true,
      entityName: entity,
      collectionName: collection,
      containerName: container,
      createdAt: '2024-05-01T10:00:00Z',
      updatedAt: new Date(Date.UTC(2024, 5, 1) + id * 1000).toISOString(),
    }
    if (kind !== 'sregistry') return { ...common, size: bytes.length, tags: null, ...more }
    // It counts megabytes, and has no zone.
    return { ...common, size: Math.ceil(bytes.length / 1e6), deletedAt: '', updatedAt: '2024-05-01T10:00:00', ...more }
  }

  function sign(id: number): string {
    const signature = randomBytes(12).toString('hex')
    signatures.set(signature, { isExpired: false })
    secrets.push(signature)
    return `${web.files.url}/bucket/${id}?X-Amz-Signature=${signature}`
  }

  function fileOf(image: Pushed): Answer {
    if (redirect !== 'none') return redirectTo(sign(image.id), redirect)
    return {
      status: 200,
      headers: { 'content-type': 'application/octet-stream' },
      bytes: image.bytes,
      ranged: options.ranges !== false,
    }
  }

  function library({ path: full, query, headers }: WebRequest): Answer {
    if (headers.authorization !== undefined) authorizations.push({ on: 'library', value: headers.authorization })
    const path = full.startsWith(`${basePath}/`) ? full.slice(basePath.length + 1) : full.slice(1)
    if (path === 'version') return jsonAnswer({ data: { version: 'v0.9.0', apiVersion: '2.0.0-alpha.1' } })
    if (path === 'assets/config/config.prod.json' && options.keyserver)
      return jsonAnswer({ libraryAPI: { uri: web.url }, keystoreAPI: { uri: `${options.keyserver()}/ignored` } })
    if (token !== undefined && headers.authorization !== `Bearer ${token}`) return errorOf(kind, 401, 'log in first')
    if (path === 'v1/search' && options.search !== undefined) return jsonAnswer(options.search)
    const [, what, reference = ''] = /^v1\/(images|imagefile)\/(.+)$/.exec(path) ?? []
    if (what === undefined) return page(404, 'no such page')
    const found = find(reference, query.get('arch'))
    if ('status' in found) return found
    return what === 'images' ? jsonAnswer({ data: imageOf(found) }) : fileOf(found)
  }

  function store({ path, query, headers }: WebRequest): Answer {
    if (headers.authorization !== undefined) authorizations.push({ on: 'store', value: headers.authorization })
    const signature = signatures.get(query.get('X-Amz-Signature') ?? '')
    if (!signature || signature.isExpired) return page(403, 'Request has expired')
    const image = all.get(Number(path.slice('/bucket/'.length)))
    return image ? { status: 200, headers: {}, bytes: image.bytes, ranged: options.ranges !== false } : page(404, 'NoSuchKey')
  }

  const web = await createFakeWeb((request) => (request.on === 'cdn' ? store(request) : library(request)), options.deal)

  return {
    ...web,
    url: web.url + basePath,
    get bodies() {
      return web.bodies
    },
    push(reference, bytes, more = {}) {
      const [name = '', tag = 'latest'] = reference.split(':')
      const image: Pushed = { ...more, id: all.size + 1, bytes: Buffer.from(bytes), name: fullName(kind, name) }
      all.set(image.id, image)
      images.set(`${image.name}:${tag} ${image.arch ?? 'amd64'}`, image)
    },
    remove(reference) {
      const [name = '', tag = 'latest'] = reference.split(':')
      for (const [key, image] of images) {
        if (!key.startsWith(`${fullName(kind, name)}:${tag} `)) continue
        images.delete(key)
        all.delete(image.id)
      }
    },
    expireUrls() {
      for (const one of signatures.values()) one.isExpired = true
    },
    secrets,
    authorizations,
    get transfers() {
      return web.requests.filter(
        ({ on, path, status, bodyBytesSent }) =>
          (on === 'cdn' || path.includes('/imagefile/')) && [200, 206].includes(status) && bodyBytesSent > 0,
      ).length
    },
    get asked() {
      return web.requests
        .filter(({ on }) => on === 'registry')
        .map(({ method, path, query }) => `${method} ${path}${query.size > 0 ? `?${query}` : ''}`)
    },
  }
}

/** What a server makes of a name with fewer than three parts. */
function fullName(kind: LibraryKind, name: string): string {
  const parts = name.split('/')
  // Its collections are flat: whatever stands before is ignored.
  if (kind === 'sregistry') return parts.slice(-2).join('/')
  return ['default', 'default', ...parts].slice(-3).join('/')
}

function errorOf(kind: LibraryKind, status: number, message: string): Answer {
  if (kind === 'sylabs') return jsonAnswer({ error: { code: status, message } }, status)
  if (kind === 'sregistry') return jsonAnswer({ detail: message }, status)
  return jsonAnswer({ status: 'error', errors: [{ title: 'Fail!', detail: message, code: status }] }, status)
}

function hashOf(hash: string, bytes: Buffer): string {
  if (hash === 'md5') return createHash('md5').update(bytes).digest('hex')
  return hash === 'sha256' ? sha256(bytes) : hash
}

/** As libraries write it. */
export function sha256(bytes: Uint8Array): string {
  return `sha256.${createHash('sha256').update(bytes).digest('hex')}`
}
