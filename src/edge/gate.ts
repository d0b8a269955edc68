import type { IncomingMessage } from 'node:http'
import type { Access, Place } from '../access/access.ts'
import { Fault, isFault } from '../model/fault.ts'
import type { Principal } from '../model/principal.ts'
import type { UpstreamId } from '../model/reference.ts'
import type { ClientAddresses } from './client-address.ts'
import type { Exchange } from './exchange.ts'

/** Who may come in, and what for. What it refuses it refuses before anybody has looked whether that is there. */
export interface Gate {
  /** Nobody is ever refused anything. */
  readonly isOpen: boolean
  /**
   * Finds out who asks; undefined where that is settled at once.
   *
   * @throws Fault 'unauthenticated', 'denied', 'client-limited', 'overloaded'
   */
  identify(exchange: Exchange): Promise<void> | undefined
  /** Whoever may read nothing at all hears nothing, but for where to log in. @throws Fault 'unauthenticated', 'denied' */
  demandAnything(principal: Principal, path: string): void
  mayPull(principal: Principal, place: Place): boolean
  /** @throws Fault 'unauthenticated' where credentials may mend it, else 'denied' */
  demand(principal: Principal, place: Place): void
  /** For what tells many names. @throws Fault 'unauthenticated', 'denied' */
  demandAll(principal: Principal, upstream: string): void
  /** There is nothing of that name, among what this principal may read. @throws Fault */
  nothing(principal: Principal, what: string): never
  /** @throws Fault 'denied' */
  demandNetwork(incoming: IncomingMessage): void
  /** For what tells of everybody. @throws Fault 'unauthenticated', 'denied' */
  demandAdmin(incoming: IncomingMessage): Promise<void>
}

export interface GateDeps {
  readonly access: Access
  readonly addresses: Pick<ClientAddresses, 'of'>
  readonly upstreams: readonly { readonly id: UpstreamId }[]
}

const challenge = 'Basic realm="forebay"'
const by = 'the settings of this proxy (access)'
// What clients ask before they can know who they are.
const discovery = /^\/+(?:library\/+[^/]+\/+)?(?:version$|assets\/|auth\/)/
const tokenStatus = /\/auth\/+v1\/token-status(?:\?|$)/

export function createGate({ access, addresses, upstreams }: GateDeps): Gate {
  const isOpen = access.isOpen && !access.hasNetworks

  function refuse(principal: Principal, what: string, couldHelp: boolean): never {
    if (principal.kind === 'anonymous' && couldHelp) throw new Fault('unauthenticated', { what, challenge })
    throw new Fault('denied', { what, by })
  }

  function demandNetwork(incoming: IncomingMessage): void {
    if (access.hasNetworks && !access.mayConnect(addresses.of(incoming)))
      throw new Fault('denied', { what: 'anything here', by: `${by}: it is not for this address` })
  }

  /** Clients take only that for a wrong token. */
  function asTold(error: unknown, { incoming }: Exchange): unknown {
    return isFault(error, 'unauthenticated') && tokenStatus.test(incoming.url ?? '')
      ? new Fault('not-found', { what: 'a token' })
      : error
  }

  return {
    isOpen,
    identify(exchange) {
      if (isOpen) return undefined
      demandNetwork(exchange.incoming)
      try {
        const found = access.authenticate(exchange.incoming.headers.authorization, exchange.client)
        if (!(found instanceof Promise)) {
          exchange.principal = found
          return undefined
        }
        return found.then(
          (principal) => {
            exchange.principal = principal
          },
          (error) => {
            throw asTold(error, exchange)
          },
        )
      } catch (error) {
        throw asTold(error, exchange)
      }
    },
    demandAnything(principal, path) {
      if (access.isOpen || discovery.test(path) || upstreams.some(({ id }) => access.mayPullSome(principal, id))) return
      refuse(principal, 'this server', access.couldHelp())
    },
    mayPull: access.mayPull,
    demand(principal, place) {
      if (access.mayPull(principal, place)) return
      refuse(principal, `${place.upstream}/${place.repository}`, access.couldHelp(place))
    },
    demandAll(principal, upstream) {
      if (access.mayPullAll(principal, upstream)) return
      refuse(principal, `what names there are in ${upstream}`, access.couldHelp())
    },
    nothing(principal, what) {
      if (!access.isOpen && principal.kind === 'anonymous' && access.couldHelp()) return refuse(principal, what, true)
      throw new Fault('not-found', { what, asked: ['this store'] })
    },
    demandNetwork,
    async demandAdmin(incoming) {
      demandNetwork(incoming)
      if (access.isOpen) return
      const principal = await access.authenticate(incoming.headers.authorization, addresses.of(incoming))
      if (!access.isAdmin(principal)) refuse(principal, 'what this server counts', true)
    },
  }
}
