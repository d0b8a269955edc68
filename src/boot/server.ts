import type { Config } from '../config/load.ts'
import { publicUrlOf } from '../config/public-url.ts'
import { createKept } from '../edge/kept.ts'
import { systemClock } from '../system/clock.ts'
import { openCommandDoor } from './command-door.ts'
import { commandSocket } from './command-socket.ts'
import { createDoorkeeper } from './doorkeeper.ts'
import { createHandlers } from './handlers.ts'
import { type House, openHouse, type Surroundings } from './house.ts'
import { type Listener, listen } from './listener.ts'
import { openAccess } from './open-access.ts'
import { waitingForRestart, withoutRestart } from './restart.ts'
import { openTlsDoors } from './tls-doors.ts'
import type { RequestLimits } from './web-server.ts'

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
  /** Takes no more, lets running answers end for `drainTimeout`, and closes everything. */
  close(): Promise<void>
}

/** A house with its doors open. @throws Fault 'listen-failed', 'store-locked', 'disk-failed', 'config-invalid' */
export async function startServer(first: Config, surroundings: Surroundings): Promise<Server> {
  const { log, version, clock = systemClock } = surroundings
  let config = first
  let isReady = true
  const listeners: Listener[] = []
  const doors: Pick<Listener, 'close'>[] = []
  const publicUrl = () => publicUrlOf(config, listeners[0]?.url)
  const tls = await openTlsDoors(first, { log, clock })
  const house = await openHouse(first, { publicUrl, ...surroundings }).catch(async (error) => {
    await tls.close()
    throw error
  })
  let access = await openAccess(first, log, clock).catch(async (error) => {
    await tls.close()
    await house.close(AbortSignal.abort())
    throw error
  })
  const kept = createKept(house.metrics)
  const { refused } = kept.metrics
  const doorkeeper = createDoorkeeper(first.limits, { addresses: () => handlers.addresses, refused })
  house.metrics.gauge('edge_connections_open', 'Connections of clients', () => doorkeeper.open)
  const createNow = () =>
    createHandlers(config, house, {
      access,
      kept,
      log,
      publicUrl,
      version,
      isReady: () => isReady,
      refusalOf: ({ socket }) => doorkeeper.refusalOf(socket),
    })
  let handlers = createNow()
  let reloading: Promise<unknown> = Promise.resolve()

  async function reload(next: Config): Promise<readonly string[]> {
    const waiting = waitingForRestart(first, next)
    const able = withoutRestart(first, next)
    const nextAccess = await openAccess(able, log, clock)
    await house.reload(able).catch(async (error) => {
      await nextAccess.close()
      throw error
    })
    const before = access
    access = nextAccess
    config = able
    handlers = createNow()
    await before.close()
    doorkeeper.setLimits(config.limits)
    for (const listener of listeners) listener.setLimits(requestLimitsOf(config))
    await tls.renew()
    return waiting
  }

  async function close(): Promise<void> {
    isReady = false
    await reloading
    const patience = AbortSignal.timeout(config.drainTimeout)
    await Promise.all(doors.map((door) => door.close(patience)))
    await tls.close()
    await access.close()
    await house.close(AbortSignal.abort()) // nobody waits for a fill any more: it is kept, and resumed at the next start
  }

  try {
    for (const [at, door] of first.listen.entries()) {
      const listener = await listen(door, (incoming, outgoing) => handlers.ofClients(incoming, outgoing, door), {
        tls: tls.at(at),
        limits: requestLimitsOf(first),
        doorkeeper,
        refused,
      })
      tls.opened(at, listener)
      listeners.push(listener)
      doors.push(listener)
    }
    doors.push(await openCommandDoor(commandSocket(first), (incoming, outgoing) => handlers.ofCommands(incoming, outgoing)))
    if (tls.expiresAt !== undefined)
      house.metrics.gauge('edge_certificate_expires_seconds', 'When the first certificate expires, since 1970', () =>
        Math.round(tls.expiresAt! / 1000),
      )
    await house.tend()
  } catch (error) {
    await close()
    throw error
  }
  return {
    urls: listeners.map(({ url }) => url),
    house,
    reload(next) {
      const mine = reloading.then(() => reload(next))
      reloading = mine.catch(() => {})
      return mine
    },
    close,
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
