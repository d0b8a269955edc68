import { createHash, randomBytes } from 'node:crypto'
import type { Answer } from './upstream/answer.ts'
import { createFakeWeb, type FakeWeb, jsonAnswer, page, redirectTo, type WebRequest } from './upstream/fake-web.ts'

export interface ShubImageOptions {
  /** How the registry tells what the bytes are; `md5` unless said. Any other text is told as it is. */
  readonly version?: 'md5' | 'sha256' | 'none' | string
  readonly commit?: string // none unless said: sregistry never sends one
  /**
   * `signed`, unless said: a URL on the file server that is good for GET only, and until it expires. `secret`: a URL of the
   * registry itself with a secret in its path, which leads there. `path`: one on the file server with the secret in its
   * path. `plain`: one that stays, and answers HEAD.
   */
  readonly place?: 'signed' | 'secret' | 'path' | 'plain'
  readonly etag?: boolean // true unless said
  readonly path?: string // of the file; one for each content unless said
}

/** A registry with the API of Singularity Hub on loopback, as its archive and sregistry answer. */
export interface FakeShub extends FakeWeb {
  /** `collection/name:tag`; what was there is replaced. */
  push(reference: string, bytes: Uint8Array, options?: ShubImageOptions): void
  remove(reference: string): void
  /** Every signed URL given so far gets 403 from now on. */
  expireUrls(): void
  /** All that was given out as part of a URL and is nobody else's business. */
  readonly secrets: readonly string[]
  /** Did the file server see an Authorization header? */
  readonly sawAuthorization: boolean
}

interface Pushed extends ShubImageOptions {
  readonly id: number
  readonly bytes: Buffer
  readonly file: string
  readonly secret: string
}

export interface FakeShubOptions {
  readonly search?: boolean // true unless said
  readonly token?: string // asked for by the API, and only by that
  readonly pageSize?: number // of the list of collections
}

export async function createFakeShub({ search = true, token, pageSize = 50 }: FakeShubOptions = {}): Promise<FakeShub> {
  const images = new Map<string, Pushed>()
  const files = new Map<string, Pushed>()
  const signatures = new Map<string, { isExpired: boolean }>()
  const secrets: string[] = []
  let pushed = 0
  let sawAuthorization = false

  function sign(path: string): string {
    const signature = randomBytes(12).toString('hex')
    signatures.set(signature, { isExpired: false })
    secrets.push(signature)
    return `${web.files.url}${path}?X-Signature=${signature}`
  }

  function placeOf({ place = 'signed', id, secret, file }: Pushed): string {
    if (place === 'plain') return `${web.files.url}${file}`
    if (place === 'path') return `${web.files.url}/for/${secret}${file}`
    return place === 'secret' ? `${web.url}/containers/${id}/download/${secret}` : sign(file)
  }

  function manifestOf(reference: string, image: Pushed): object {
    const [, collection, name, tag] = /^(.+)\/(.+):(.+)$/.exec(reference) ?? []
    const { id, commit, bytes, version = 'md5' } = image
    return {
      id,
      name,
      image: placeOf(image),
      tag,
      add_date: '2018-03-04T12:00:00.000000Z',
      metrics: {},
      ...(version !== 'none' && { version: versionOf(version, bytes) }),
      frozen: false,
      metadata: { size_mb: Math.ceil(bytes.length / 1e6) },
      collection,
      ...(commit !== undefined && { commit }),
    }
  }

  /** sregistry answers with an empty object, and 200, for what it has not got. */
  function container(rest: string): Answer {
    const [, name = '', tag = 'latest'] = /^([^:@]+)(?::([^@]+))?(?:@.*)?$/.exec(decodeURIComponent(rest)) ?? []
    const reference = `${name}:${tag}`
    const image = images.get(reference)
    return jsonAnswer(image ? manifestOf(reference, image) : {})
  }

  function entries(): { collection: string; name: string; tag: string }[] {
    return [...images.keys()].sort().map((reference) => {
      const [, collection = '', name = '', tag = ''] = /^(.+)\/(.+):(.+)$/.exec(reference) ?? []
      return { collection, name, tag }
    })
  }

  function collections(page: number): Answer {
    const byName = [...Map.groupBy(entries(), ({ collection }) => collection)]
    const results = byName.slice((page - 1) * pageSize, page * pageSize).map(([name, all], at) => ({
      id: (page - 1) * pageSize + at + 1,
      name,
      add_date: '2018-03-04T12:00:00Z',
      containers: all.map(({ name: container, tag }) => ({
        name: container,
        tag,
        uri: `${name}/${container}:${tag}`,
        detail: `https://hub.example/containers/${container}`,
      })),
    }))
    // As registries behind a proxy do, it says its own idea of where it is.
    const next = page * pageSize < byName.length ? `http://registry.internal/api/collections/?page=${page + 1}` : null
    return jsonAnswer({ count: byName.length, next, previous: null, results })
  }

  function api({ path, query }: WebRequest): Answer {
    const rest = path.slice('/api/'.length).replace(/\/$/, '')
    const [, within, wanted] = /^container\/search(?:\/collection\/([^/]+))?\/name\/([^/]+)$/.exec(rest) ?? []
    if (!search && !/^container\/(?!search)/.test(rest)) return page(404, 'Not Found')
    if (rest === 'collections') return collections(Number(query.get('page') ?? 1))
    if (wanted !== undefined)
      return jsonAnswer(
        entries()
          .filter(({ collection, name }) => name.includes(wanted) && (within ?? collection) === collection)
          .map((entry, id) => ({ id, ...entry, metadata: null, frozen: false })),
      )
    return rest.startsWith('container/') ? container(rest.slice('container/'.length)) : page(404, 'Not Found')
  }

  function registry(request: WebRequest): Answer {
    const [, id, secret] = /^\/containers\/(\d+)\/download\/(\w+)$/.exec(request.path) ?? []
    if (id !== undefined) {
      if (request.headers.authorization !== undefined) sawAuthorization = true
      const image = [...images.values()].find((one) => String(one.id) === id && one.secret === secret)
      return image ? redirectTo(sign(image.file)) : page(404, 'Not Found')
    }
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`)
      return jsonAnswer({ detail: 'Authentication credentials were not provided.' }, 401)
    return api(request)
  }

  function file({ path, query, method, headers }: WebRequest): Answer {
    if (headers.authorization !== undefined) sawAuthorization = true
    const [, secret, bare] = /^\/for\/(\w+)(\/.*)$/.exec(path) ?? []
    const found = files.get(bare ?? path)
    const isOpen = found?.place === 'plain' || (found?.place === 'path' && found.secret === secret)
    if (!found) return page(404, 'NoSuchKey')
    const signature = signatures.get(query.get('X-Signature') ?? '')
    if (!isOpen && (!signature || signature.isExpired)) return page(403, 'Request has expired')
    if (!isOpen && method !== 'GET') return page(403, 'SignatureDoesNotMatch')
    const etag = `"${createHash('md5').update(found.bytes).digest('hex')}"`
    return { status: 200, headers: found.etag === false ? {} : { etag }, bytes: found.bytes, ranged: true }
  }

  const web = await createFakeWeb((request) => (request.on === 'cdn' ? file(request) : registry(request)))

  return {
    ...web,
    get bodies() {
      return web.bodies
    },
    push(reference, bytes, options = {}) {
      const id = ++pushed
      const { path = `/bucket/${id}/${createHash('sha1').update(bytes).digest('hex')}.sif` } = options
      const secret = randomBytes(12).toString('hex')
      secrets.push(secret)
      const image: Pushed = { ...options, id, bytes: Buffer.from(bytes), file: path, secret }
      images.set(reference, image)
      files.set(path, image)
    },
    remove: (reference) => void images.delete(reference),
    expireUrls() {
      for (const one of signatures.values()) one.isExpired = true
    },
    secrets,
    get sawAuthorization() {
      return sawAuthorization
    },
  }
}

function versionOf(version: string, bytes: Buffer): string {
  if (version === 'md5') return createHash('md5').update(bytes).digest('hex')
  return version === 'sha256' ? `sha256.${createHash('sha256').update(bytes).digest('hex')}` : version
}
