import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Serving } from '../catalog/catalog.ts'
import type { Config } from '../config/config.ts'
import { createEdge, type Door, type EdgeDeps } from '../edge/app.ts'
import { createClientAddresses } from '../edge/client-address.ts'
import { createAdmin } from '../edge/routes/admin.ts'
import type { Logger } from '../system/log.ts'
import type { House } from './house.ts'

/** Who answers, under the settings it was made with. */
export interface Handlers {
  ofClients(incoming: Parameters<RequestListener>[0], outgoing: Parameters<RequestListener>[1], door: Door): void
  /** Everything that is small and asked for seldom. */
  readonly small: RequestListener
  readonly addresses: EdgeDeps['addresses']
}

export type HandlersDeps = Pick<
  EdgeDeps,
  'access' | 'kept' | 'log' | 'metrics' | 'publicUrl' | 'version' | 'isReady' | 'refusalOf'
>

/** What is as the newest settings have it. */
export interface Served extends Pick<House, 'uses'> {
  readonly catalog: Serving
}

const sameGlobals = { overrideGlobalObjects: false }

export function createHandlers(config: Config, { catalog, uses }: Served, deps: HandlersDeps): Handlers {
  const addresses = createClientAddresses(config.trustedProxies)
  const edge = createEdge({
    ...deps,
    catalog,
    uses,
    addresses,
    limits: config.limits,
    logsRequests: config.log.access,
    upstreams: [...config.upstreams.values()].map(({ id, kind, hosts, url, credentials, rights, folders }) => ({
      id,
      kind,
      hosts,
      url,
      rights,
      isPublic: rights === 'site' && credentials === undefined && deps.access.isOpenToAll(id),
      folders,
    })),
    defaults: config.defaults,
    ownHosts: [...config.publicHosts, ...(config.publicUrl ? [config.publicUrl.host] : [])].concat(
      config.listen.flatMap(({ host, port }) => [`${host}:${port}`, `localhost:${port}`]),
    ),
    publicHosts: config.publicHosts,
  })
  const small = getRequestListener(edge.app.fetch, sameGlobals)

  return {
    addresses,
    small,
    ofClients(incoming, outgoing, door) {
      if (edge.isForApp(incoming, door)) void small(incoming, outgoing)
      else edge.pull(incoming, outgoing, door)
    },
  }
}

/** Commands, to the catalog of the newest settings. */
export function createCommandHandler(
  house: Pick<House, 'catalog' | 'uses'>,
  small: RequestListener,
  log: Logger,
): RequestListener {
  let made: { readonly of: House['catalog']; readonly answer: RequestListener } | undefined

  return (incoming, outgoing) => {
    const { catalog, uses } = house
    uses.enter()
    outgoing.once('close', uses.leave)
    if (made?.of !== catalog) made = { of: catalog, answer: getRequestListener(createAdmin(catalog, log).fetch, sameGlobals) }
    void (incoming.url === '/healthz' ? small : made.answer)(incoming, outgoing)
  }
}
