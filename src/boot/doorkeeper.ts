import type { Socket } from 'node:net'
import type { ClientAddresses } from '../edge/client-address.ts'
import { Fault } from '../model/fault.ts'

export interface ConnectionLimits {
  readonly connections: number
  readonly connectionsPerClient?: number | undefined // undefined: any number
}

/** Where somebody came from and to; sockets that wrap another say the same of it. */
export interface Ends {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localPort?: number | undefined
}

/** Counts the connections of all listeners. Some of those that are too many are let in, to be told so in answer to what they ask. */
export interface Doorkeeper {
  /** False where it may not come in at all. Counts it until it closes. */
  admit(socket: Socket): boolean
  /** Why whatever comes by this connection is refused. */
  refusalOf(ends: Ends): Fault | undefined
  setLimits(limits: ConnectionLimits): void
  readonly open: number
}

export interface DoorkeeperDeps {
  /** A proxy's connections are not those of one client. */
  readonly addresses: () => Pick<ClientAddresses, 'isProxy' | 'plain'>
  readonly refused: (reason: 'connections' | 'client-connections') => void
}

const mostTold = 256 // at once; the others hear nothing
const retryAfterMs = 5_000

export function createDoorkeeper(first: ConnectionLimits, { addresses, refused }: DoorkeeperDeps): Doorkeeper {
  const ofClient = new Map<string, number>()
  const told = new Map<string, Fault>()
  let limits = first
  let open = 0

  function refusal(client: string | undefined): Fault | undefined {
    const { connections, connectionsPerClient: perClient = Number.POSITIVE_INFINITY } = limits
    if (open > connections) {
      refused('connections')
      return new Fault('overloaded', { what: `${connections} connections are open`, retryAfterMs })
    }
    if (client === undefined || ofClient.get(client)! <= perClient) return undefined
    refused('client-connections')
    return new Fault('client-limited', { what: `${perClient} connections of ${client} are open`, retryAfterMs })
  }

  function leave(client: string | undefined, ends: string): void {
    open--
    told.delete(ends)
    const left = client === undefined ? 0 : ofClient.get(client)! - 1
    if (left > 0) ofClient.set(client!, left)
    else if (client !== undefined) ofClient.delete(client)
  }

  return {
    admit(socket) {
      const { remoteAddress = '' } = socket
      const { isProxy, plain } = addresses()
      const client = isProxy(remoteAddress) ? undefined : plain(remoteAddress)
      const ends = printEnds(socket)
      open++
      if (client !== undefined) ofClient.set(client, (ofClient.get(client) ?? 0) + 1)
      socket.once('close', () => leave(client, ends))
      const fault = refusal(client)
      if (fault && told.size < mostTold && remoteAddress !== '') told.set(ends, fault)
      return !fault || told.has(ends)
    },
    refusalOf: (ends) => (told.size === 0 ? undefined : told.get(printEnds(ends))),
    setLimits(next) {
      limits = next
    },
    get open() {
      return open
    },
  }
}

function printEnds({ remoteAddress, remotePort, localPort }: Ends): string {
  return `${remoteAddress} ${remotePort} ${localPort}`
}
