import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Config } from '../config/load.ts'
import { createEdge, type Door, type EdgeDeps } from '../edge/app.ts'
import { createClientAddresses } from '../edge/client-address.ts'
import { createAdmin } from '../edge/routes/admin.ts'
import type { House } from './house.ts'

/** Who answers, under the settings it was made with. */
export interface Handlers {
  ofClients(incoming: Parameters<RequestListener>[0], outgoing: Parameters<RequestListener>[1], door: Door): void
  readonly ofCommands: RequestListener
  readonly addresses: EdgeDeps['addresses']
}

export type HandlersDeps = Pick<EdgeDeps, 'access' | 'kept' | 'log' | 'publicUrl' | 'version' | 'isReady' | 'refusalOf'>

const sameGlobals = { overrideGlobalObjects: false }

export function createHandlers(config: Config, { catalog, uses, metrics }: House, deps: HandlersDeps): Handlers {
  const addresses = createClientAddresses(config.trustedProxies)
  const edge = createEdge({
    ...deps,
    catalog,
    metrics,
    uses,
    addresses,
    limits: config.limits,
    logsRequests: config.log.access,
    upstreams: [...config.upstreams.values()].map(({ id, kind, hosts, url, credentials, folders }) => ({
      id,
      kind,
      hosts,
      url,
      isPublic: credentials === undefined && deps.access.isOpenToAll(id),
      folders,
    })),
    defaults: config.defaults,
    ownHosts: [...config.publicHosts, ...(config.publicUrl ? [config.publicUrl.host] : [])].concat(
      config.listen.flatMap(({ host, port }) => [`${host}:${port}`, `localhost:${port}`]),
    ),
    publicHosts: config.publicHosts,
  })
  const small = getRequestListener(edge.app.fetch, sameGlobals)
  const admin = getRequestListener(createAdmin(catalog, deps.log).fetch, sameGlobals)

  return {
    addresses,
    ofClients(incoming, outgoing, door) {
      if (edge.isForApp(incoming, door)) void small(incoming, outgoing)
      else edge.pull(incoming, outgoing, door)
    },
    ofCommands(incoming, outgoing) {
      uses.enter()
      outgoing.once('close', uses.leave)
      void (incoming.url === '/healthz' ? small : admin)(incoming, outgoing)
    },
  }
}
