import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { createNetworks, plainAddress } from '../system/networks.ts'

/** Who asks, where proxies of ours stand between: for logs and limits, never for what an answer says. */
export interface ClientAddresses {
  /** The nearest address that is no trusted proxy's: what one says of whom it asks for is believed, what others say is not. */
  of(incoming: IncomingMessage): string
  /** Did the client itself speak https, as far as is known? */
  isSecure(incoming: IncomingMessage): boolean
  isProxy(address: string): boolean
  /** An IPv4 address as such, also where it came to a socket that speaks IPv6. */
  plain(address: string): string
}

const mostHops = 20 // proxies in a row

/** @param trusted addresses and networks (CIDR) of proxies */
export function createClientAddresses(trusted: readonly string[]): ClientAddresses {
  const isProxy = createNetworks(trusted)

  function of({ socket, headers }: IncomingMessage): string {
    const own = plainAddress(socket.remoteAddress ?? '')
    if (!isProxy(own)) return own
    const told = listOf(headers['x-forwarded-for']).slice(-mostHops)
    let nearest = own
    for (const entry of told.toReversed()) {
      const address = plainAddress(bare(entry))
      if (isIP(address) === 0) break
      nearest = address
      if (!isProxy(address)) break
    }
    return nearest
  }

  return {
    of,
    isSecure({ socket, headers }) {
      if ('encrypted' in socket && socket.encrypted === true) return true
      return isProxy(socket.remoteAddress ?? '') && listOf(headers['x-forwarded-proto']).at(-1)?.toLowerCase() === 'https'
    },
    isProxy,
    plain: plainAddress,
  }
}

function listOf(field: string | string[] | undefined): readonly string[] {
  return [field ?? []]
    .flat()
    .join(',')
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
}

/** Some proxies write a port behind the address. */
function bare(entry: string): string {
  const [, bracketed] = /^\[([^\]]+)\](?::\d+)?$/.exec(entry) ?? []
  return bracketed ?? entry.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1')
}
