import { createFailures } from '../access/attempts.ts'
import type { Config } from '../config/config.ts'
import { publicUrlOf } from '../config/public-url.ts'
import { createIsOwnPlace } from '../edge/own-place.ts'
import { createPromises } from '../edge/promises.ts'
import { systemClock } from '../system/clock.ts'
import { localAddresses } from '../system/machine.ts'
import { type Acceptor, accept } from './acceptor.ts'
import { openCommandDoor } from './command-door.ts'
import { commandSocket } from './command-socket.ts'
import { type Front, openFront } from './front.ts'
import { createCommandHandler } from './handlers.ts'
import { type House, openHouse, type Surroundings } from './house.ts'
import { type Listener, listen } from './listener.ts'
import { waitingForRestart, withoutRestart } from './restart.ts'
import { openTlsDoors, type TlsDoors } from './tls-doors.ts'
import { createWorkers, type Workers } from './workers.ts'

export interface Server {
  readonly urls: readonly string[]
  readonly house: House
  /**
   * Takes new settings, and certificates as they are now, for requests that come from now on. Returns the names of the
   * settings that are others, and have to wait for a restart.
   *
   * @throws Fault 'config-invalid', and nothing has changed
   */
  reload(config: Config): Promise<readonly string[]>
  /** Does it answer by its workers, where it has any, within that time? */
  isWell(patienceMs: number): Promise<boolean>
  /** Takes no more, lets running answers end for `drainTimeout`, and closes everything. */
  close(): Promise<void>
}

export interface ServerSurroundings extends Surroundings {
  /** Processes that speak to clients; where there are none, this one does. */
  readonly workers?: number
}

/** A house with its doors open. @throws Fault 'listen-failed', 'store-locked', 'disk-failed', 'config-invalid' */
export async function startServer(first: Config, surroundings: ServerSurroundings): Promise<Server> {
  const { log, clock = systemClock, workers: count = 0 } = surroundings
  let config = first
  let isReady = false
  let reloading: Promise<unknown> = Promise.resolve()
  let workers: Workers | undefined
  const doors: Pick<Listener | Acceptor, 'url' | 'close'>[] = []
  const opened: (() => Promise<void>)[] = [] // what has to be closed again, first the first
  const publicUrl = () => publicUrlOf(config, doors[0]?.url)
  const isOwn = createIsOwnPlace({
    publicUrl: () => config.publicUrl,
    publicHosts: () => config.publicHosts,
    listening: () => doors.map(({ url }) => url),
    localAddresses,
  })

  async function close(): Promise<void> {
    isReady = false
    await reloading
    const patience = AbortSignal.timeout(config.drainTimeout)
    await Promise.all([...doors.map((door) => door.close(patience)), workers?.close(patience)])
    for (const end of opened.toReversed()) await end()
  }

  async function open(): Promise<{ tls: TlsDoors; house: House; front: Front }> {
    const tls = await openTlsDoors(first, { log, clock })
    opened.push(tls.close)
    const { store } = first
    const shared = { ...first, store: { ...store, memory: Math.floor(store.memory / (count + 1)) } }
    const house = await openHouse(shared, { publicUrl, isOwn, ...surroundings })
    opened.push(() => house.close(AbortSignal.abort())) // nobody waits for a fill any more: it is kept, and resumed at the next start
    const { metrics } = house
    const promises = createPromises()
    const failures = createFailures(clock)
    const exposing = { expose: async () => workers?.expose(metrics.expose()) ?? metrics.expose() }
    const front = await openFront(first, {
      ...surroundings,
      clock,
      house,
      tls,
      metrics,
      exposing,
      promises,
      failures,
      publicUrl,
      isReady: () => isReady,
    })
    opened.push(front.close)
    if (count > 0)
      workers = createWorkers(first, { ...surroundings, count, clock, house, promises, failures, metrics: exposing.expose })
    return { tls, house, front }
  }

  async function listenAt(at: number, { tls, front }: { tls: TlsDoors; front: Front }): Promise<void> {
    const door = first.listen[at]!
    if (workers) {
      const { take } = workers
      doors.push(await accept(door, tls.at(at) !== undefined, (socket) => take(socket, at)))
      return
    }
    const listener = await listen(door, ...front.serving(at))
    front.opened(at, listener)
    doors.push(listener)
  }

  async function start() {
    const { tls, house, front } = await open()
    for (const at of first.listen.keys()) await listenAt(at, { tls, front })
    const urls = doors.map(({ url }) => url)
    // Before it says that it is ready: who waits for that may give it commands next.
    doors.push(await openCommandDoor(commandSocket(first), createCommandHandler(house, front.small, log)))
    await workers?.begin(urls)
    if (tls.expiresAt !== undefined)
      house.metrics.gauge('edge_certificate_expires_seconds', 'When the first certificate expires, since 1970', () =>
        Math.round(tls.expiresAt! / 1000),
      )
    await house.tend()
    isReady = true
    return { urls, house, front }
  }

  const { urls, house, front } = await start().catch(async (error) => {
    await close()
    throw error
  })

  async function reload(next: Config): Promise<readonly string[]> {
    const waiting = waitingForRestart(first, next)
    const able = withoutRestart(first, next)
    const prepared = await front.prepare(able)
    await house.reload(able).catch(async (error) => {
      await prepared.drop()
      throw error
    })
    config = able
    await prepared.use()
    await workers?.reload(next)
    return waiting
  }

  return {
    urls,
    house,
    reload(next) {
      const mine = reloading.then(() => reload(next))
      reloading = mine.catch(() => {})
      return mine
    },
    isWell: async (patienceMs) => (await workers?.isWell(patienceMs)) ?? true,
    close,
  }
}
