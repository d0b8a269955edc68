import type { RequestListener } from 'node:http'
import { createFailures, type Failures } from '../access/attempts.ts'
import type { Config } from '../config/config.ts'
import { createKept } from '../edge/kept.ts'
import type { Promises } from '../edge/promises.ts'
import type { Exposing } from '../edge/routes/health.ts'
import type { Clock } from '../system/clock.ts'
import type { Logger } from '../system/log.ts'
import type { Metrics } from '../system/metrics.ts'
import { createDoorkeeper } from './doorkeeper.ts'
import { createHandlers, type Handlers, type HandlersDeps, type Served } from './handlers.ts'
import type { ListenerDeps, Reception } from './listener.ts'
import { openAccess } from './open-access.ts'
import type { TlsDoors } from './tls-doors.ts'
import type { RequestLimits } from './web-server.ts'

/** What stands between connections and the catalog: under the newest settings, for whatever comes from now on. */
export interface Front {
  /** What serves connections that come by the listener at that place of the settings, and with what. */
  readonly serving: (at: number) => readonly [handle: RequestListener, deps: ListenerDeps]
  /** From now on it hears of new limits and certificates. */
  opened(at: number, reception: Reception): void
  readonly small: RequestListener
  /** Prepares what the new settings say; what that returns has it hold. @throws Fault 'config-invalid', 'disk-failed' */
  prepare(config: Config): Promise<Prepared>
  close(): Promise<void>
}

export interface Prepared {
  use(): Promise<void>
  drop(): Promise<void>
}

export interface FrontDeps extends Pick<HandlersDeps, 'log' | 'publicUrl' | 'version' | 'isReady'> {
  readonly house: Served
  readonly tls: TlsDoors
  readonly clock: Clock
  readonly log: Logger
  /** Where what happens here is counted, and what is told of it. */
  readonly metrics: Metrics
  readonly exposing?: Exposing
  readonly promises?: Promises
  readonly failures?: Failures
}

/** @throws Fault 'config-invalid', 'disk-failed' */
export async function openFront(first: Config, deps: FrontDeps): Promise<Front> {
  const { house, tls, clock, log, metrics, exposing = metrics, publicUrl, version, isReady } = deps
  const receptions: Reception[] = []
  let config = first
  const { failures = createFailures(clock) } = deps
  let access = await openAccess(first, log, clock, failures)
  const kept = createKept(metrics, deps.promises)
  const { refused } = kept.metrics
  const doorkeeper = createDoorkeeper(first.limits, { addresses: () => handlers.addresses, refused })
  metrics.gauge('edge_connections_open', 'Connections of clients', () => doorkeeper.open)
  const createNow = (): Handlers =>
    createHandlers(config, house, {
      access,
      metrics: exposing,
      kept,
      log,
      publicUrl,
      version,
      isReady,
      refusalOf: ({ socket }) => doorkeeper.refusalOf(socket),
    })
  let handlers = createNow()

  return {
    serving: (at) => [
      (incoming, outgoing) => handlers.ofClients(incoming, outgoing, first.listen[at]!),
      { tls: tls.at(at), limits: requestLimitsOf(config), doorkeeper, refused },
    ],
    opened(at, reception) {
      tls.opened(at, reception)
      receptions.push(reception)
    },
    small: (incoming, outgoing) => handlers.small(incoming, outgoing),
    async prepare(next) {
      const nextAccess = await openAccess(next, log, clock, failures)
      return {
        async use() {
          const before = access
          access = nextAccess
          config = next
          handlers = createNow()
          await before.close()
          doorkeeper.setLimits(next.limits)
          for (const reception of receptions) reception.setLimits(requestLimitsOf(next))
          await tls.renew()
        },
        drop: () => nextAccess.close(),
      }
    },
    close: () => access.close(),
  }
}

function requestLimitsOf({ limits }: Config): RequestLimits {
  return {
    headersTimeoutMs: limits.headersTimeout,
    requestTimeoutMs: limits.requestTimeout,
    clientIdleMs: limits.clientIdle,
    headerBytes: limits.headerSize,
  }
}
