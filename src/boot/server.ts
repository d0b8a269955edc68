import type { RequestListener } from 'node:http'
import { getRequestListener } from '@hono/node-server'
import type { Config } from '../config/load.ts'
import { createEdge } from '../edge/app.ts'
import { openCommandDoor } from './command-door.ts'
import { commandSocket } from './command-socket.ts'
import { type House, openHouse, publicUrlOf, type Surroundings } from './compose.ts'
import { type Listener, listen } from './listener.ts'

export interface Server {
  readonly urls: readonly string[]
  readonly house: House
  /** Takes no more, lets running answers end for `drainTimeout`, and closes everything. */
  close(): Promise<void>
}

/** A house with its doors open. @throws Fault 'listen-failed', 'store-locked', 'disk-failed' */
export async function startServer(config: Config, surroundings: Surroundings): Promise<Server> {
  const doors: Listener[] = []
  const publicUrl = () => publicUrlOf(config, doors[0]?.url)
  const house = await openHouse(config, { publicUrl, ...surroundings })
  let isReady = true

  async function close(): Promise<void> {
    isReady = false
    const patience = AbortSignal.timeout(config.drainTimeout)
    await Promise.all(doors.map((door) => door.close(patience)))
    await house.close(AbortSignal.abort()) // nobody waits for a fill any more: it is kept, and resumed at the next start
  }

  try {
    const handle = createHandler(config, house, surroundings, publicUrl, () => isReady)
    for (const address of config.listen) doors.push(await listen(address, handle))
    const urls = doors.map(({ url }) => url)
    doors.push(await openCommandDoor(commandSocket(config), house.catalog, surroundings.log))
    return { urls, house, close }
  } catch (error) {
    await close()
    throw error
  }
}

function createHandler(
  config: Config,
  house: House,
  { log, version }: Surroundings,
  publicUrl: () => string | undefined,
  isReady: () => boolean,
): RequestListener {
  const edge = createEdge({
    catalog: house.catalog,
    metrics: house.metrics,
    log,
    logsRequests: config.log.access,
    upstreams: [...config.upstreams.values()].map(({ id, hosts, url, credentials }) => ({
      id,
      hosts,
      url,
      isPublic: credentials === undefined,
    })),
    fallback: config.defaults.oci,
    ownHosts: [...config.publicHosts, ...(config.publicUrl ? [config.publicUrl.host] : [])].concat(
      config.listen.flatMap(({ host, port }) => [`${host}:${port}`, `localhost:${port}`]),
    ),
    publicUrl,
    publicHosts: config.publicHosts,
    version,
    isReady,
  })
  const small = getRequestListener(edge.app.fetch, { overrideGlobalObjects: false })
  return (incoming, outgoing) => (edge.isForApp(incoming) ? void small(incoming, outgoing) : edge.pull(incoming, outgoing))
}
