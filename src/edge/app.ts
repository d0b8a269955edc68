import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Hono } from 'hono'
import type { Keeping, Linking, Pulls } from '../catalog/catalog.ts'
import { isFault } from '../model/fault.ts'
import type { UpstreamId } from '../model/reference.ts'
import { normalizeRegistry } from '../model/registry-name.ts'
import type { Logger } from '../system/log.ts'
import type { Metrics } from '../system/metrics.ts'
import { createRequestIds } from '../system/trace.ts'
import { answerFault } from './answer-fault.ts'
import { createAnswerArtifact } from './artifact.ts'
import { bufferPlan, createBuffers } from './buffers.ts'
import { beginExchange, type Exchange } from './exchange.ts'
import { createFieldOptions } from './field-options.ts'
import { createEdgeMetrics } from './metrics.ts'
import { createOwnUrl } from './own-url.ts'
import { createPump, cut } from './pump.ts'
import { createBlobRoutes } from './routes/blobs.ts'
import { healthRoutes } from './routes/health.ts'
import { createMetalinkRoutes } from './routes/metalink.ts'
import { createOciRoutes } from './routes/oci.ts'
import { createSend } from './send.ts'
import { parseTarget } from './target.ts'
import { createUpstreamChoice, type NamedUpstream } from './upstream-choice.ts'

export interface EdgeDeps {
  readonly catalog: Pulls & Linking & Pick<Keeping, 'metalink'>
  readonly metrics: Metrics
  readonly log: Logger
  readonly logsRequests: boolean
  readonly upstreams: readonly (NamedUpstream & { readonly isPublic: boolean })[]
  readonly fallback: UpstreamId | undefined // of a request that names none
  readonly ownHosts: readonly string[] // host:port that requests in absolute form may name
  /** Our URL for clients, without a slash at its end; asked at each request, as a port may be known late. */
  readonly publicUrl: () => string | undefined
  readonly publicHosts: readonly string[]
  readonly version: string
  readonly isReady: () => boolean
}

export interface Edge {
  /** Everything that is small and asked for seldom. */
  readonly app: Hono
  /**
   * Answers requests below /v2 and what no route of `app` is for. It reads the raw request target, which a parsed URL
   * no longer has (dot segments, double slashes), and writes to the response itself.
   */
  pull(incoming: IncomingMessage, outgoing: ServerResponse): void
  /** Is this target one for `app`? */
  isForApp(incoming: IncomingMessage): boolean
}

export function createEdge(deps: EdgeDeps): Edge {
  const { catalog, log, logsRequests } = deps
  const metrics = createEdgeMetrics(deps.metrics)
  const nextId = createRequestIds()
  const pump = createPump(createBuffers(bufferPlan), metrics.sent)
  const send = createSend({ pump, placesOf: catalog.places, sent: metrics.sent, brokeOff, tellsId: logsRequests })
  const openUpstreams = new Set(deps.upstreams.filter(({ isPublic }) => isPublic).map(({ id }) => id))
  const choose = createUpstreamChoice(deps.upstreams, deps.fallback)
  const ownUrl = createOwnUrl(deps.publicUrl, deps.publicHosts)
  const shared = createFieldOptions()
  const fields = ({ incoming }: Exchange, upstream: UpstreamId, namespace: string | undefined, isNamedByDigest: boolean) =>
    shared({ isNamedByDigest, isPublic: openUpstreams.has(upstream), namespace, own: ownUrl(incoming.headers.host) })
  const artifact = createAnswerArtifact(catalog, send)
  const metalinks = createMetalinkRoutes({
    catalog,
    ownUrl,
    placeNamed: (name) => choose({ name, namespaces: [], host: '' }),
  })
  const oci = createOciRoutes({
    catalog,
    send,
    choose,
    artifact,
    metalinks,
    fields: (exchange, { upstream, namespace }, isNamedByDigest) => fields(exchange, upstream, namespace, isNamedByDigest),
  })
  const blobs = createBlobRoutes({
    catalog,
    artifact,
    metalinks,
    fields: (exchange, upstream) => fields(exchange, upstream, undefined, true),
  })
  const app = healthRoutes(deps)
  const appPaths = new Set(app.routes.map(({ path }) => path))
  const ownHosts = new Set(
    [...deps.ownHosts, ...deps.upstreams.flatMap(({ id, hosts }) => [id, ...hosts])].map(normalizeRegistry),
  )
  const isOwnHost = (host: string) => ownHosts.has(normalizeRegistry(host))

  function over(exchange: Exchange): void {
    metrics.over(exchange)
    if (logsRequests) log.info('request', summary(exchange))
  }

  /** The answer had begun. A client that went away is no news; anything else is. */
  function brokeOff(exchange: Exchange, error: unknown): void {
    const hasLeft = isFault(error, 'cancelled') && exchange.outgoing.destroyed
    if (!hasLeft) log.warn('send.cut', { requestId: exchange.requestId, sent: exchange.sent, error })
  }

  async function serve(exchange: Exchange): Promise<void> {
    try {
      const target = parseTarget(exchange.incoming, isOwnHost)
      if (target.path.startsWith('/blobs/')) await blobs(exchange, target.path)
      else if (target.path.startsWith('/metalink/')) await metalinks.ofImage(exchange, target)
      else await oci.answer(exchange, target)
    } catch (error) {
      fail(exchange, error)
    }
  }

  function fail(exchange: Exchange, error: unknown): void {
    const { outgoing, requestId } = exchange
    if (outgoing.destroyed) return
    if (outgoing.headersSent) {
      brokeOff(exchange, error)
      cut(outgoing)
      return
    }
    const { code, cause } = answerFault(exchange, error)
    if (code === 'internal') log.error('request.failed', { requestId, error: cause ?? error })
  }

  return {
    app,
    pull(incoming, outgoing) {
      const given = incoming.headers['x-request-id']
      const exchange = beginExchange(incoming, outgoing, nextId(typeof given === 'string' ? given : undefined), over)
      try {
        if (!oci.answerAtOnce(exchange)) void serve(exchange)
      } catch (error) {
        fail(exchange, error)
      }
    },
    isForApp: ({ url = '' }) => !url.startsWith('/v2/') && (appPaths.has(url) || appPaths.has(url.replace(/\?.*$/s, ''))),
  }
}

function summary(exchange: Exchange): object {
  const { incoming, outgoing, requestId, route, upstream, outcome, sent, startedAt, firstByteAt } = exchange
  return {
    requestId,
    client: incoming.socket.remoteAddress,
    method: incoming.method,
    path: (incoming.url ?? '').replace(/\?.*$/s, '').slice(0, 500),
    route,
    upstream,
    status: outgoing.statusCode,
    outcome,
    bytes: sent,
    ms: Math.round(performance.now() - startedAt),
    firstByteMs: firstByteAt === undefined ? undefined : Math.round(firstByteAt - startedAt),
    aborted: outgoing.writableFinished ? undefined : true,
    agent: incoming.headers['user-agent']?.slice(0, 200),
  }
}
