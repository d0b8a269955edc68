import type { Metrics } from '../system/metrics.ts'
import type { Exchange, Route } from './exchange.ts'

/** What is counted of requests. */
export interface EdgeMetrics {
  readonly sent: (bytes: number) => void
  readonly over: (exchange: Exchange) => void
  readonly refused: (reason: Refusal) => void
}

/** Why somebody is sent away, or cut, before or while it is answered. */
export type Refusal =
  | 'connections'
  | 'client-connections'
  | 'requests'
  | 'client-requests'
  | 'url-length'
  | 'header-size'
  | 'slow-request'
  | 'idle-client'
  | 'tls'

type OutcomeKind = NonNullable<Exchange['outcome']>

const seconds = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 300, 1800]

export function createEdgeMetrics(metrics: Metrics): EdgeMetrics {
  const requests = metrics.counter('edge_requests_total', 'Requests answered', ['route', 'status'])
  const outcomes = {
    hit: metrics.counter('edge_hits_total', 'Answered from what is held', ['route']),
    miss: metrics.counter('edge_misses_total', 'Answered by asking the upstream', ['route']),
    collapsed: metrics.counter('edge_followers_total', 'Rode along with a question or a fill already under way', ['route']),
    revalidated: metrics.counter('edge_revalidated_total', 'Known, and confirmed by the upstream', ['route']),
    stale: metrics.counter('edge_stale_total', 'Known, and served while the upstream fails', ['route']),
  } satisfies Record<OutcomeKind, unknown>
  const bytes = metrics.counter('edge_client_bytes_total', 'Body bytes sent to clients').with()
  const aborts = metrics.counter('edge_aborts_total', 'Answers that ended before they were complete', ['route'])
  const refusals = metrics.counter('edge_refused_total', 'Connections and requests refused or cut for a limit', ['reason'])
  const firstByte = metrics.histogram('edge_first_byte_seconds', 'From the request to the first body byte', seconds, ['route'])
  const whole = metrics.histogram('edge_request_seconds', 'From the request to the end of the answer', seconds, ['route'])

  // Every request comes by here, so that each series is looked up once.
  const ofRoute = memo((route: Route) => ({
    answered: memo((status: number) => requests.with(route, String(status))),
    came: memo((kind: OutcomeKind) => outcomes[kind].with(route)),
    firstByte: firstByte.with(route),
    whole: whole.with(route),
  }))

  return {
    sent: bytes.add,
    refused: (reason) => refusals.add(1, reason),
    over({ outgoing, route, outcome, startedAt, firstByteAt }) {
      const series = ofRoute(route)
      series.answered(outgoing.statusCode).add()
      if (outcome) series.came(outcome).add()
      if (!outgoing.writableFinished) aborts.add(1, route)
      if (firstByteAt !== undefined) series.firstByte.observe((firstByteAt - startedAt) / 1000)
      series.whole.observe((performance.now() - startedAt) / 1000)
    },
  }
}

function memo<K, V>(make: (key: K) => V): (key: K) => V {
  const known = new Map<K, V>()
  return (key) => {
    let value = known.get(key)
    if (value === undefined) {
      value = make(key)
      known.set(key, value)
    }
    return value
  }
}
