import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Hono } from 'hono'
import type { Access } from '../access/access.ts'
import type { Serving } from '../catalog/catalog.ts'
import { type Fault, isFault, toFault } from '../model/fault.ts'
import type { UpstreamId } from '../model/reference.ts'
import { normalizeRegistry } from '../model/registry-name.ts'
import type { Logger } from '../system/log.ts'
import type { Uses } from '../system/uses.ts'
import type { RequestLimits } from './admission.ts'
import { answerFault } from './answer-fault.ts'
import { createAnswerArtifact } from './artifact.ts'
import { createCallerChoice } from './caller-choice.ts'
import type { ClientAddresses } from './client-address.ts'
import { beginExchange, type Exchange } from './exchange.ts'
import { createFieldOptions } from './field-options.ts'
import { createGate } from './gate.ts'
import { guarded } from './guarded.ts'
import type { Kept } from './kept.ts'
import { openingWithLength } from './known-length.ts'
import { libraryDoors } from './library-doors.ts'
import { createNamedChoice, parseWholeImage } from './named-choice.ts'
import type { PathDoor } from './own-place.ts'
import { createOwnUrl } from './own-url.ts'
import { createPace } from './pace.ts'
import { protocolOf } from './protocol-of.ts'
import { createPump, cut } from './pump.ts'
import { createRedirect } from './redirect.ts'
import { createBlobRoutes } from './routes/blobs.ts'
import { createFilesRoutes } from './routes/files.ts'
import { type Exposing, healthRoutes } from './routes/health.ts'
import { createKeyRoute } from './routes/keys.ts'
import { createLibraryRoutes } from './routes/library.ts'
import { createLibraryImages } from './routes/library-images.ts'
import { createLibraryLists } from './routes/library-lists.ts'
import { createMetalinkRoutes } from './routes/metalink.ts'
import { createOciRoutes } from './routes/oci.ts'
import { createParts, isPartRequest } from './routes/parts.ts'
import { createRemoteEndpoint } from './routes/remote-endpoint.ts'
import { createShubRoutes } from './routes/shub.ts'
import { createStaticRoutes } from './routes/static.ts'
import { createTicketRoute } from './routes/tickets.ts'
import { createSend } from './send.ts'
import { parseTarget, type RequestTarget } from './target.ts'
import { createUpstreamChoice, type NamedUpstream } from './upstream-choice.ts'

export interface EdgeDeps {
  readonly catalog: Serving
  readonly access: Access
  readonly metrics: Exposing
  readonly kept: Kept
  /** Who is being answered uses what is below. */
  readonly uses: Pick<Uses, 'enter' | 'leave'>
  readonly log: Logger
  readonly logsRequests: boolean
  readonly limits: RequestLimits & {
    readonly bytesPerSecond: number | undefined
    readonly bytesPerSecondPerClient: number | undefined
  }
  readonly addresses: ClientAddresses
  /** Why nothing that comes by this connection is answered, where there are too many of them. */
  readonly refusalOf: (incoming: IncomingMessage) => Fault | undefined
  readonly upstreams: readonly EdgeUpstream[]
  /** Upstreams of requests that name none. */
  readonly defaults: { readonly [kind in 'oci' | 'library' | 'shub']: UpstreamId | undefined }
  readonly ownHosts: readonly string[] // host:port that requests in absolute form may name
  /** Our URL for clients, without a slash at its end; asked at each request, as a port may be known late. */
  readonly publicUrl: () => string | undefined
  readonly publicHosts: readonly string[]
  readonly version: string
  readonly isReady: () => boolean
}

/** An upstream as far as requests have to do with it. */
export interface EdgeUpstream extends NamedUpstream {
  readonly kind: 'oci' | 'library' | 'shub' | 'static' | 'files'
  readonly isPublic: boolean
  readonly rights: 'site' | 'caller'
  readonly folders: 'refuse' | 'pass'
}

export interface Edge {
  /** Everything that is small and asked for seldom. */
  readonly app: Hono
  /**
   * Answers requests below /v2 and what no route of `app` is for. It reads the raw request target, which a parsed URL
   * no longer has (dot segments, double slashes), and writes to the response itself.
   */
  pull(incoming: IncomingMessage, outgoing: ServerResponse, door?: Door): void
  /** Is this target one for `app`? */
  isForApp(incoming: IncomingMessage, door?: Door): boolean
}

/** By which listener a request came. */
export interface Door {
  readonly redirect: boolean // to https
}

export function createEdge(deps: EdgeDeps): Edge {
  const { log, logsRequests } = deps
  const registries = deps.upstreams.filter(({ kind }) => kind === 'oci')
  const choose = createUpstreamChoice(registries, deps.defaults.oci)
  const chooseNamed = createNamedChoice(deps.upstreams, deps.defaults)
  const ownUrl = createOwnUrl(deps.publicUrl, deps.publicHosts)
  const ownHosts = new Set(
    [...deps.ownHosts, ...deps.upstreams.flatMap(({ id, hosts }) => [id, ...hosts])].map(normalizeRegistry),
  )
  const isOwnHost = (host: string) => ownHosts.has(normalizeRegistry(host))
  const callers = createCallerChoice({ upstreams: deps.upstreams, choose, chooseNamed, isOwnHost })
  const gate = createGate({ ...deps, callers, ownUrl })
  const catalog = guarded(deps.catalog, gate)
  const { metrics, admission } = deps.kept
  const { bytesPerSecond: inAll, bytesPerSecondPerClient: perClient } = deps.limits
  const pump = createPump(deps.kept.buffers, metrics.sent, createPace({ perClient, inAll }))
  const send = createSend({
    pump,
    placesOf: catalog.places,
    pieceDigest: catalog.pieceDigest,
    sent: metrics.sent,
    brokeOff,
    tellsId: logsRequests,
  })
  const openUpstreams = new Set(deps.upstreams.filter(({ isPublic }) => isPublic).map(({ id }) => id))
  const passing = new Set(deps.upstreams.filter(({ folders }) => folders === 'pass').map(({ id }) => id))
  const shared = createFieldOptions()
  const fields = ({ incoming }: Exchange, upstream: UpstreamId, namespace: string | undefined, isNamedByDigest: boolean) =>
    shared({ isNamedByDigest, isPublic: openUpstreams.has(upstream), namespace, own: ownUrl(incoming.headers.host) })
  const { resolve, open, digests, documented } = catalog
  const answering = { resolve, open, digests, documented }
  const artifact = createAnswerArtifact(answering, send)
  const metalinks = createMetalinkRoutes({
    catalog,
    gate,
    ownUrl,
    placeNamed: (name) => choose({ name, namespaces: [], host: '' }),
    wholeImage: (text) => parseWholeImage(text, deps.upstreams),
  })
  const oci = createOciRoutes({
    catalog,
    gate,
    send,
    choose,
    artifact,
    metalinks,
    fields: (exchange, { upstream, namespace }, isNamedByDigest) => fields(exchange, upstream, namespace, isNamedByDigest),
  })
  const blobs = createBlobRoutes({
    catalog,
    gate,
    artifact,
    parts: createParts({ catalog, send }),
    metalinks,
    fields: (exchange, upstream) => fields(exchange, upstream, undefined, true),
  })
  const byName = (exchange: Exchange, upstream: UpstreamId) => fields(exchange, upstream, undefined, false)
  const files = createFilesRoutes({
    catalog,
    choose: chooseNamed,
    artifact,
    metalinks,
    fields: byName,
    passesFolders: (id) => passing.has(id),
  })
  const shub = createShubRoutes({ catalog, choose: chooseNamed, artifact, fields: byName })
  const pages = createStaticRoutes({ catalog, choose: chooseNamed, artifact, fields: byName })
  const library = createLibraryRoutes({
    choose: chooseNamed,
    images: createLibraryImages({
      catalog,
      promises: deps.kept.promises,
      ownUrl,
      artifact: createAnswerArtifact({ ...answering, open: openingWithLength(catalog.open) }, send),
      metalinks,
      fields: byName,
    }),
    lists: createLibraryLists(catalog),
    endpoint: createRemoteEndpoint({ ownUrl, version: deps.version, isOpen: deps.access.isOpen }),
    keys: createKeyRoute({ catalog, libraries: librariesOf(deps) }),
  })
  /** By the first part of the path; what is in none of them is for a registry. */
  type Answer = (exchange: Exchange, target: RequestTarget) => Promise<void>
  const doors = new Map<string, Answer>([
    ['blobs', blobs],
    ['metalink', (exchange, target) => metalinks.ofImage(exchange, target)],
    ['files', files],
    ...libraryDoors.map((name) => [name, library] as const),
    ['api', shub],
    ['shub', shub],
    ['static', pages],
    ...(gate.givesTickets ? [['token', createTicketRoute({ gate, choose })] as const] : []),
  ] satisfies (readonly [PathDoor, Answer])[])
  const redirect = createRedirect(deps.publicUrl, deps.addresses)
  const app = healthRoutes({ ...deps, gate })
  const appPaths = new Set(app.routes.map(({ path }) => path))

  function over(exchange: Exchange): void {
    admission.leave(exchange)
    deps.uses.leave()
    metrics.over(exchange)
    if (logsRequests) log.info('request', summary(exchange))
  }

  /** The answer had begun. A client that went away is no news; anything else is. */
  function brokeOff(exchange: Exchange, error: unknown): void {
    const hasLeft = isFault(error, 'cancelled') && exchange.outgoing.destroyed
    if (!hasLeft) log.warn('send.cut', { requestId: exchange.requestId, sent: exchange.sent, error })
  }

  /** `identity`: who asks is being found out. */
  async function serve(exchange: Exchange, isRedirected: boolean, identity?: Promise<void>): Promise<void> {
    try {
      const target = parseTarget(exchange.incoming, isOwnHost)
      if (isRedirected && redirect(exchange, target)) return
      if (!gate.isOpen) {
        exchange.protocol = protocolOf(firstPart(target.path))
        await (isRedirected ? gate.identify(exchange) : identity)
        gate.demandAnything(exchange, target.path)
      }
      const door = doors.get(firstPart(target.path)) ?? oci.answer
      await door(exchange, target)
    } catch (error) {
      fail(exchange, error)
    }
  }

  function fail(exchange: Exchange, error: unknown): void {
    const { outgoing, requestId } = exchange
    if (outgoing.destroyed) return
    if (outgoing.headersSent || exchange.isPart) {
      brokeOff(exchange, error)
      cut(outgoing)
      return
    }
    const { code, cause } = answerFault(exchange, error)
    if (code === 'internal') log.error('request.failed', { requestId, error: cause ?? error })
  }

  /** Before any route has seen it: in the form that its client understands all the same. */
  function refuse(exchange: Exchange, fault: Fault): void {
    const [path = '', query = ''] = (exchange.incoming.url ?? '').split('?', 2)
    exchange.protocol = protocolOf(firstPart(path))
    exchange.isPart = firstPart(path) === 'blobs' && isPartRequest(exchange, query)
    fail(exchange, fault)
  }

  function identify(exchange: Exchange): Promise<void> | undefined | 'refused' {
    try {
      return gate.identify(exchange)
    } catch (error) {
      refuse(exchange, toFault(error, 'who asks'))
      return 'refused'
    }
  }

  return {
    app,
    pull(incoming, outgoing, door = { redirect: false }) {
      const given = incoming.headers['x-request-id']
      const id = deps.kept.nextId(typeof given === 'string' ? given : undefined)
      deps.uses.enter()
      const exchange = beginExchange(incoming, outgoing, id, over, deps.addresses.of)
      try {
        const unwelcome = deps.refusalOf(incoming)
        exchange.isLast = unwelcome !== undefined
        const fault = unwelcome ?? admission.enter(exchange, deps.limits)
        if (fault) return refuse(exchange, fault)
        // Nobody is asked for a password where it would come in plain sight.
        const identity = door.redirect ? undefined : identify(exchange)
        if (identity === 'refused') return
        if (door.redirect || identity || !oci.answerAtOnce(exchange)) void serve(exchange, door.redirect, identity)
      } catch (error) {
        fail(exchange, error)
      }
    },
    isForApp({ url = '' }, door) {
      if (url.startsWith('/v2/') || (door?.redirect && /^\/(?:\?|$)/.test(url))) return false
      return appPaths.has(url) || appPaths.has(url.replace(/\?.*$/s, ''))
    },
  }
}

/** Clients may put a slash of their own behind a base URL that ends with one. */
function firstPart(path: string): string {
  return /^\/+([^/]*)/.exec(path)?.[1] ?? ''
}

/** First the one that is meant where none is named. */
function librariesOf({ upstreams, defaults }: Pick<EdgeDeps, 'upstreams' | 'defaults'>): readonly UpstreamId[] {
  const all = upstreams.filter(({ kind }) => kind === 'library').map(({ id }) => id)
  return [...all.filter((id) => id === defaults.library), ...all.filter((id) => id !== defaults.library)]
}

function summary(exchange: Exchange): object {
  const { incoming, outgoing, requestId, route, upstream, outcome, sent, startedAt, firstByteAt } = exchange
  return {
    requestId,
    client: exchange.client,
    method: incoming.method,
    path: (incoming.url ?? '').replace(/\?.*$/s, '').slice(0, 500),
    route,
    upstream,
    user: 'name' in exchange.principal ? exchange.principal.name : undefined,
    status: outgoing.statusCode,
    outcome,
    bytes: sent,
    ms: Math.round(performance.now() - startedAt),
    firstByteMs: firstByteAt === undefined ? undefined : Math.round(firstByteAt - startedAt),
    aborted: outgoing.writableFinished ? undefined : true,
    agent: incoming.headers['user-agent']?.slice(0, 200),
  }
}
