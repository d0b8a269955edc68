import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { type Answer, errorAnswer } from './answer.ts'
import type { Shelves } from './shelves.ts'

export interface RedirectOptions {
  readonly status?: 301 | 302 | 303 | 307 | 308
  /** `cdn`: a signed URL on another port. `same`: another path here, as a relative reference. `circle`: round and round. */
  readonly to?: 'cdn' | 'same' | 'circle' | ((digest: string) => string)
  readonly manifests?: boolean // redirects manifests too
  /** What the CDN does when a request has an Authorization header, signed as it is. */
  readonly onAuthorization?: 'reject' | 'ignore'
}

export interface Cdn {
  /** The redirect of a registry request for these bytes. */
  redirect(repository: string, kind: 'blobs' | 'manifests', digest: string): Answer
  /** What the CDN (or the redirected path on the registry itself) answers. */
  answer(request: IncomingMessage, path: string, query: URLSearchParams): Answer
  /** Every signed URL so far gets 403 from now on. */
  expireUrls(): void
  /** Did any request here carry an Authorization or Cookie header? */
  readonly sawAuthorization: boolean
}

export interface CdnDeps {
  readonly shelves: Shelves
  readonly options: RedirectOptions
  readonly base: () => string
  readonly etag: (digest: string) => string | undefined
}

export function createCdn({ shelves, options, base, etag }: CdnDeps): Cdn {
  const signatures = new Map<string, { isExpired: boolean }>()
  let sawAuthorization = false

  function location(repository: string, kind: string, digest: string): string {
    const { to = 'cdn' } = options
    if (typeof to === 'function') return to(digest)
    const path = `/${to === 'circle' ? 'circle' : 'data'}/${repository}/${kind}/${digest}`
    if (to !== 'cdn') return path
    const signature = randomBytes(9).toString('base64url')
    signatures.set(signature, { isExpired: false })
    return `${base()}${path}?X-Signature=${signature}`
  }

  const redirectTo = (to: string): Answer => ({
    status: options.status ?? 307,
    headers: { location: to, 'content-type': 'text/html' },
    bytes: Buffer.from('<a href="moved">moved</a>'),
  })

  return {
    redirect: (repository, kind, digest) => redirectTo(location(repository, kind, digest)),
    answer(request, path, query) {
      const { authorization, cookie } = request.headers
      if (authorization !== undefined || cookie !== undefined) sawAuthorization = true
      if (path.startsWith('/circle/')) return redirectTo(`${path}?round=${Number(query.get('round') ?? 0) + 1}`)
      if ((options.to ?? 'cdn') === 'cdn') {
        const signature = signatures.get(query.get('X-Signature') ?? '')
        if (!signature || signature.isExpired)
          return { status: 403, headers: {}, bytes: Buffer.from('<Error>Request has expired</Error>') }
        if (authorization !== undefined && options.onAuthorization !== 'ignore')
          return { status: 400, headers: {}, bytes: Buffer.from('<Error>Only one auth mechanism allowed</Error>') }
      }
      const [, repository = '', kind, digest = ''] = /^\/data\/(.+)\/(blobs|manifests)\/([^/]+)$/.exec(path) ?? []
      const found = kind === 'blobs' ? shelves.blob(repository, digest) : shelves.manifest(repository, digest)
      if (!found) return errorAnswer(404, 'BLOB_UNKNOWN')
      const tag = etag(digest)
      return {
        status: 200,
        bytes: found.bytes,
        headers: { 'content-type': kind === 'blobs' ? 'binary/octet-stream' : found.mediaType, ...(tag && { etag: tag }) },
        ranged: kind === 'blobs',
      }
    },
    expireUrls() {
      for (const one of signatures.values()) one.isExpired = true
    },
    get sawAuthorization() {
      return sawAuthorization
    },
  }
}
