import type { IncomingMessage, ServerResponse } from 'node:http'
import { text } from 'node:stream/consumers'
import { type Allowance, type AllowanceOptions, createAllowance } from './upstream/allowance.ts'
import { type Answer, type Exchange, errorAnswer, send } from './upstream/answer.ts'
import { type AuthOptions, createGatekeeper, type Issued } from './upstream/auth.ts'
import { type Cdn, createCdn, type RedirectOptions } from './upstream/cdn.ts'
import { createLatch, type Gate, type Latch } from './upstream/gates.ts'
import { type ListenOptions, listen } from './upstream/listener.ts'
import { type ListOptions, referrerList, tagList } from './upstream/lists.ts'
import { createRecords, type RecordedRequest } from './upstream/record.ts'
import { createRules, type Deal, type Fault, type Place, type Rule, type Where } from './upstream/rules.ts'
import { createShelves, type Shelves } from './upstream/shelves.ts'

export interface FakeUpstreamOptions extends ListOptions, ListenOptions {
  readonly auth?: AuthOptions
  readonly redirect?: RedirectOptions
  readonly ranges?: boolean // true unless said; false: blobs are always sent whole
  readonly etags?: 'digest' | 'weak' | 'none' // of blobs; `digest` unless said
  readonly digestHeader?: boolean // Docker-Content-Digest; true unless said
  readonly deal?: Deal
  readonly allowance?: AllowanceOptions // how many pulls it allows; any number, and not a word of it, unless said
  readonly basePath?: string // what stands before /v2/, as with Artifactory
}

/** An OCI registry on loopback that a test fills, watches and spoils. */
export interface FakeUpstream
  extends AsyncDisposable,
    Pick<Shelves, 'push' | 'pushBlob' | 'pushManifest' | 'untag' | 'removeBlob'> {
  readonly url: string // with the base path, without /v2
  readonly host: string // with port
  readonly cdn: Pick<Cdn, 'expireUrls' | 'sawAuthorization'> & { readonly url: string; readonly host: string }
  readonly allowance: Allowance | undefined
  readonly requests: readonly RecordedRequest[]
  readonly tokens: readonly Issued[]
  expireTokens(): void
  fault(where: Where, what: Fault): Rule<Fault>
  /** Everything behaves again. Gates stay. */
  heal(): void
  hold(where: Where): Gate
  /** How many GETs for this digest sent bytes of it, from the registry or its CDN. */
  bodies(digest: string): number
  bytesSent(digest: string): number
  /** How many requests fit, of any method unless given. */
  count(where: Pick<Where, 'path' | 'method' | 'on'>): number
  /** Settles when that many requests (1) that fit have come. */
  seen(where: Pick<Where, 'path' | 'method' | 'on'>, count?: number): Promise<void>
  /** Settles when nothing is being answered. */
  quiet(): Promise<void>
  /** Refuses connections until `reopen`. */
  refuse(): Promise<void>
  reopen(): Promise<void>
  dropConnections(): void
  close(): Promise<void>
}

export async function createFakeUpstream(options: FakeUpstreamOptions = {}): Promise<FakeUpstream> {
  const shelves = createShelves()
  const records = createRecords()
  const faults = createRules<Fault>()
  const latches = createRules<Latch>()
  const etag = (digest: string) => {
    const { etags = 'digest' } = options
    return etags === 'none' ? undefined : etags === 'weak' ? `W/"${digest}"` : `"${digest}"`
  }
  const cdn = createCdn({ shelves, options: options.redirect ?? {}, base: () => cdnUrl, etag })
  const gatekeeper = createGatekeeper(options.auth, () => url)
  const allowance = options.allowance && createAllowance(options.allowance)
  const { basePath = '' } = options
  const scheme = options.tls ? 'https' : 'http'

  async function exchange(request: IncomingMessage, response: ServerResponse, on: Place, answer: () => Answer): Promise<void> {
    const record = records.begin(request, response, on)
    const told: Exchange = {
      request,
      response,
      record,
      fault: faults.take(request, record.path, on) ?? options.deal?.(record) ?? {},
      latch: latches.take(request, record.path, on),
    }
    await send(answer, told)
  }

  function content(kind: 'blobs' | 'manifests', repository: string, pointer: string): Answer {
    const found = kind === 'blobs' ? shelves.blob(repository, pointer) : shelves.manifest(repository, pointer)
    if (!found) return errorAnswer(404, kind === 'blobs' ? 'BLOB_UNKNOWN' : 'MANIFEST_UNKNOWN')
    if (options.redirect && (kind === 'blobs' || options.redirect.manifests)) return cdn.redirect(repository, kind, pointer)
    const tag = kind === 'blobs' ? etag(pointer) : `"${found.digest}"`
    return {
      status: 200,
      bytes: found.bytes,
      headers: {
        'content-type': kind === 'blobs' ? 'application/octet-stream' : found.mediaType,
        ...(options.digestHeader !== false && { 'docker-content-digest': found.digest }),
        ...(tag && { etag: tag }),
        ...(kind === 'blobs' && options.ranges !== false && { 'accept-ranges': 'bytes' }),
      },
      ranged: kind === 'blobs' && options.ranges !== false,
    }
  }

  function route(request: IncomingMessage, path: string, query: URLSearchParams): Answer {
    if (path.startsWith('/data/') || path.startsWith('/circle/')) return cdn.answer(request, path, query)
    const [, repository, what, last = ''] = /^\/v2\/(.+)\/(manifests|blobs|referrers|tags)\/([^/]+)$/.exec(path) ?? []
    const refusal = gatekeeper.check(request, repository)
    if (refusal) return refusal
    if (request.method !== 'GET' && request.method !== 'HEAD') return errorAnswer(405, 'UNSUPPORTED')
    if (path === '/v2/' || path === '/v2') return jsonAnswer({}, { 'docker-distribution-api-version': 'registry/2.0' })
    if (path === '/v2/_catalog') return jsonAnswer({ repositories: shelves.repositories })
    if (repository === undefined) return errorAnswer(404, 'NAME_UNKNOWN')
    const place = { origin, basePath }
    if (what === 'tags') return tagList(shelves, repository, query, options, place)
    if (what === 'referrers') return referrerList(shelves, repository, last, query, options, place)
    const answer = () => content(what as 'blobs' | 'manifests', repository, last)
    return allowance && what === 'manifests' ? allowance.count(request.method, answer) : answer()
  }

  const registry = await listen(async (request, response) => {
    const { pathname: full, searchParams } = new URL(request.url ?? '/', origin)
    const pathname = full.startsWith(basePath) ? full.slice(basePath.length) : full
    if (!pathname.startsWith('/token'))
      return exchange(request, response, 'registry', () => route(request, pathname, searchParams))
    const body = request.method === 'POST' ? await text(request) : ''
    return exchange(request, response, 'realm', () => gatekeeper.token(request, searchParams, body))
  }, options)
  const cdnListener = await listen(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', cdnUrl)
    return exchange(request, response, 'cdn', () => cdn.answer(request, pathname, searchParams))
  }, options)
  const origin = `${scheme}://${registry.host}`
  const url = origin + basePath
  const cdnUrl = `${scheme}://${cdnListener.host}`

  const counts = (digest: string) => (request: RecordedRequest) =>
    request.method === 'GET' && request.path.endsWith(digest) && request.status < 300 && request.bodyBytesSent > 0
  const fits = ({ path, method, on }: Pick<Where, 'path' | 'method' | 'on'>) => {
    const rules = createRules<true>()
    rules.add({ path, method, on }, true)
    return (request: RecordedRequest) => rules.take(request, request.path, request.on) ?? false
  }

  async function close(): Promise<void> {
    await Promise.all([registry.close(), cdnListener.close()])
  }

  return {
    push: shelves.push,
    pushBlob: shelves.pushBlob,
    pushManifest: shelves.pushManifest,
    untag: shelves.untag,
    removeBlob: shelves.removeBlob,
    url,
    host: registry.host,
    cdn: {
      url: cdnUrl,
      host: cdnListener.host,
      expireUrls: cdn.expireUrls,
      get sawAuthorization() {
        return cdn.sawAuthorization
      },
    },
    allowance,
    requests: records.requests,
    tokens: gatekeeper.issued,
    expireTokens: gatekeeper.expireTokens,
    fault: (where, what) => faults.add(where, what),
    heal: () => faults.clear(),
    hold(where) {
      const latch = createLatch()
      latches.add(where, latch)
      return latch.gate
    },
    bodies: (digest) => records.requests.filter(counts(digest)).length,
    bytesSent: (digest) => records.requests.filter(counts(digest)).reduce((sum, { bodyBytesSent }) => sum + bodyBytesSent, 0),
    count: (where) => records.requests.filter(fits(where)).length,
    seen: (where, count) => records.seen(fits(where), count),
    quiet: records.quiet,
    async refuse() {
      await Promise.all([registry.refuse(), cdnListener.refuse()])
    },
    async reopen() {
      await Promise.all([registry.reopen(), cdnListener.reopen()])
    },
    dropConnections() {
      registry.dropConnections()
      cdnListener.dropConnections()
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

function jsonAnswer(value: unknown, headers: Record<string, string> = {}): Answer {
  return { status: 200, headers: { 'content-type': 'application/json', ...headers }, bytes: Buffer.from(JSON.stringify(value)) }
}
