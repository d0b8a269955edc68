import type { IncomingMessage } from 'node:http'
import type { Access, Place, Ticket } from '../access/access.ts'
import type { Admission, RepositoryReference } from '../catalog/catalog.ts'
import { Fault, isFault } from '../model/fault.ts'
import type { Ask, Credentials, Login, Principal } from '../model/principal.ts'
import { type BlobReference, placeOf, printReference, type Reference, type UpstreamId } from '../model/reference.ts'
import type { CallerChoice } from './caller-choice.ts'
import type { ClientAddresses } from './client-address.ts'
import type { Exchange } from './exchange.ts'
import type { OwnUrl } from './own-url.ts'

/** Who may come in, and what for. What it refuses it refuses before anybody has looked whether that is there. */
export interface Gate {
  /** Nobody is ever refused anything. */
  readonly isOpen: boolean
  /** Some things are open to everybody and others not: clients are told so by handing out tickets. */
  readonly givesTickets: boolean
  /**
   * Finds out who asks; undefined where that is settled at once.
   *
   * @throws Fault 'unauthenticated', 'denied', 'client-limited', 'overloaded'
   */
  identify(exchange: Exchange): Promise<void> | undefined
  /** Whoever may read nothing at all hears nothing, but for where to log in. @throws Fault 'unauthenticated', 'denied' */
  demandAnything(exchange: Exchange, path: string): void
  /** Of upstreams that say themselves who may read what nobody knows at once. */
  mayPull(principal: Principal, place: Place): boolean
  /**
   * Undefined where that is settled at once.
   *
   * @throws Fault 'unauthenticated' where credentials may mend it, else 'denied'; 'not-found', 'rights-unknown', 'upstream-…'
   */
  demand(ask: Ask, wanted: Wanted): Promise<void> | undefined
  /** For what tells many names; an upstream that says itself who may read what is asked for them as who asks. @throws Fault */
  demandAll(ask: Ask, upstream: UpstreamId): void
  /** Does it say itself who may read what? */
  isCallers(upstream: UpstreamId): boolean
  /** What such an upstream said to that, in our own words. */
  asTold(error: unknown, ask: Ask, what: string): unknown
  /** The first of these that whoever asks may read. @throws Fault where nobody knows of one of them */
  firstOpen(ask: Ask, homes: readonly BlobReference[]): Promise<BlobReference | undefined>
  /** There is nothing of that name, among what this one may read. @throws Fault 'not-found', 'unauthenticated', 'denied' */
  nothing(ask: Ask, what: string): never
  /** @throws Fault 'denied' */
  demandNetwork(incoming: IncomingMessage): void
  /** For what tells of everybody. @throws Fault 'unauthenticated', 'denied' */
  demandAdmin(incoming: IncomingMessage): Promise<void>
  /** What is handed to who asks for a ticket to these. @throws Fault as `identify` */
  ticketFor(exchange: Exchange, upstreams: readonly UpstreamId[]): Promise<{ readonly text: string; readonly forMs: number }>
}

export type Wanted = Reference | RepositoryReference

export interface GateDeps {
  readonly access: Access
  readonly catalog: Admission
  readonly callers: CallerChoice
  readonly addresses: Pick<ClientAddresses, 'of'>
  readonly upstreams: readonly { readonly id: UpstreamId }[]
  readonly ownUrl: OwnUrl
}

const challenge = 'Basic realm="forebay"'
const by = 'the settings of this proxy (access)'
const anonymous: Principal = { kind: 'anonymous' }
const retryAfterMs = 5_000
// What clients ask before they can know who they are.
const discovery = /^\/+(?:library\/+[^/]+\/+)?(?:version$|assets\/|auth\/)/
const tokenStatus = /\/auth\/+v1\/token-status(?:\?|$)/
const ping = /^\/v2\/?(?:\?|$)/
const ticketDoor = /^(?:https?:\/\/[^/]*)?\/token(?:\?|$)/i

export function createGate({ access, catalog, callers, addresses, upstreams, ownUrl }: GateDeps): Gate {
  const sites = upstreams.map(({ id }) => id).filter((id) => !callers.all.has(id))
  const hasCallers = callers.all.size > 0
  const isOpen = access.isOpen && !access.hasNetworks && !hasCallers
  const givesTickets = hasCallers || (!access.isOpen && sites.some((id) => access.mayPullSome(anonymous, id)))

  function refuse(principal: Principal, what: string, couldHelp: boolean): never {
    if (principal.kind === 'anonymous' && couldHelp) throw new Fault('unauthenticated', { what, challenge })
    throw new Fault('denied', { what, by })
  }

  function demandNetwork(incoming: IncomingMessage): void {
    if (access.hasNetworks && !access.mayConnect(addresses.of(incoming)))
      throw new Fault('denied', { what: 'anything here', by: `${by}: it is not for this address` })
  }

  /** Clients take only that for a wrong token. */
  function asTokenStatus(error: unknown, { incoming }: Exchange): unknown {
    return isFault(error, 'unauthenticated') && tokenStatus.test(incoming.url ?? '')
      ? new Fault('not-found', { what: 'a token' })
      : error
  }

  /** What is shown, for an upstream: never what is ours. */
  function loginIn(authorization: string | undefined): Login | undefined {
    const shown = access.shown(authorization)
    if (shown.kind === 'password') return { kind: 'password', username: shown.name, password: shown.password }
    return shown.kind === 'token' && !shown.isOurs ? { kind: 'bearer', token: shown.token } : undefined
  }

  function credentialsFor(upstreams: readonly UpstreamId[], authorization: string | undefined): Credentials | undefined {
    const login = loginIn(authorization)
    return login && { ...login, upstreams }
  }

  /** @throws Fault 'unauthenticated' for one that is over */
  function openedTicket(text: string): Ticket {
    const ticket = access.opened(text)
    if (!ticket) throw new Fault('unauthenticated', { what: 'this', challenge, why: 'the token that was given is over' })
    return ticket
  }

  function identifyToSite(exchange: Exchange): Promise<void> | undefined {
    const is = (principal: Principal) => {
      exchange.principal = principal
    }
    try {
      const found = access.authenticate(exchange.incoming.headers.authorization, exchange.client)
      if (!(found instanceof Promise)) return void is(found)
      return found.then(is, (error) => {
        throw asTokenStatus(error, exchange)
      })
    } catch (error) {
      throw asTokenStatus(error, exchange)
    }
  }

  /** No upstream is named: what is shown is for those that took it before, and for us. */
  async function identifyByDigest(exchange: Exchange): Promise<void> {
    const login = loginIn(exchange.incoming.headers.authorization)
    const upstreams = login ? await catalog.acceptedBy(login) : []
    if (login && upstreams.length > 0) exchange.credentials = { ...login, upstreams }
    try {
      await identifyToSite(exchange)
    } catch (error) {
      if (!exchange.credentials) throw error // else it is for them, and no mistake
    }
  }

  function challengePing({ incoming }: Exchange): void {
    const own = ownUrl(incoming.headers.host)
    if (!givesTickets || own === undefined || access.shown(incoming.headers.authorization).kind !== 'nothing') return
    // Many clients log in where they are asked to before anything else, or not at all.
    const bearer = `Bearer realm="${own}/token",service="${new URL(own).host}"`
    throw new Fault('unauthenticated', { what: 'this server', challenge: bearer })
  }

  function asTold(error: unknown, { credentials }: Ask, what: string): unknown {
    const mayMend = credentials === undefined
    if (isFault(error, 'upstream-refused')) {
      const why = mayMend ? undefined : 'its upstream did not take those that were given'
      return mayMend || error.details.status === 401
        ? new Fault('unauthenticated', { what, challenge, ...(why && { why }) })
        : new Fault('denied', { what, by: 'its upstream' })
    }
    return error
  }

  /** A registry may hide what it has from who is nobody. */
  function asHidden(error: unknown, ask: Ask, wanted: Wanted): unknown {
    const isHidden = isFault(error, 'not-found') && ask.credentials === undefined && 'repository' in wanted
    return isHidden ? new Fault('unauthenticated', { what: printWanted(wanted), challenge }) : error
  }

  async function admit(ask: Ask, wanted: Wanted): Promise<void> {
    try {
      await catalog.admit(wanted, ask)
    } catch (error) {
      throw asTold(asHidden(error, ask, wanted), ask, printWanted(wanted))
    }
  }

  const mayPull = (principal: Principal, place: Place) =>
    !callers.all.has(place.upstream as UpstreamId) && access.mayPull(principal, place)

  return {
    isOpen,
    givesTickets,
    identify(exchange) {
      if (isOpen) return undefined
      const { incoming } = exchange
      demandNetwork(incoming)
      if (givesTickets && ticketDoor.test(incoming.url ?? '')) return undefined // it looks for itself
      const upstream = callers.named(incoming)
      exchange.isCallers = upstream !== undefined || callers.isByDigest(incoming)
      const shown = hasCallers ? access.shown(incoming.headers.authorization) : undefined
      if (shown?.kind === 'ticket') {
        const ticket = openedTicket(shown.text)
        exchange.credentials = ticket.credentials
        exchange.principal = ticket.principal
        return undefined
      }
      if (upstream !== undefined) {
        exchange.credentials = credentialsFor([upstream], incoming.headers.authorization)
        return undefined
      }
      return exchange.isCallers ? identifyByDigest(exchange) : identifyToSite(exchange)
    },
    demandAnything(exchange, path) {
      if (ping.test(path)) challengePing(exchange)
      const { principal, isCallers, credentials } = exchange
      const mayAsk = access.isOpen || isCallers || credentials !== undefined || discovery.test(path)
      if (mayAsk || (givesTickets && ticketDoor.test(path)) || sites.some((id) => access.mayPullSome(principal, id))) return
      refuse(principal, 'this server', access.couldHelp())
    },
    mayPull,
    demand(ask, wanted) {
      if (callers.all.has(wanted.upstream)) return admit(ask, wanted)
      const place = 'repository' in wanted ? wanted : placeOf(wanted)
      if (access.mayPull(ask.principal, place)) return undefined
      refuse(ask.principal, `${place.upstream}/${place.repository}`, access.couldHelp(place))
    },
    demandAll({ principal }, upstream) {
      if (callers.all.has(upstream) || access.mayPullAll(principal, upstream)) return
      refuse(principal, `what names there are in ${upstream}`, access.couldHelp())
    },
    isCallers: (upstream) => callers.all.has(upstream),
    asTold,
    async firstOpen(ask, homes) {
      const known = homes.find((place) => mayPull(ask.principal, place))
      if (known) return known
      let failure: unknown
      for (const home of homes.filter(({ upstream }) => callers.all.has(upstream))) {
        try {
          await catalog.admit(home, ask)
          return home
        } catch (error) {
          if (!isFault(error, 'upstream-refused', 'not-found')) failure = namingNobody(error)
        }
      }
      if (failure) throw failure
      return undefined
    },
    nothing({ principal, credentials }, what) {
      const mayMend = principal.kind === 'anonymous' && credentials === undefined
      if (mayMend && (hasCallers || (!access.isOpen && access.couldHelp()))) return refuse(principal, what, true)
      const isForAll = !hasCallers && sites.every((id) => access.mayPullAll(principal, id))
      if (isForAll) throw new Fault('not-found', { what, asked: ['this store'] })
      // Whether it is here is not told to who may read only some of what is.
      throw new Fault('denied', { what, by: `${by}, or not known here` })
    },
    demandNetwork,
    async demandAdmin(incoming) {
      demandNetwork(incoming)
      if (access.isOpen) return
      const principal = await access.authenticate(incoming.headers.authorization, addresses.of(incoming))
      if (!access.isAdmin(principal)) refuse(principal, 'what this server counts', true)
    },
    async ticketFor({ incoming, client }, wanted) {
      const { authorization } = incoming.headers
      // Or nothing that was taken back would ever be over.
      if (access.shown(authorization).kind === 'ticket')
        throw new Fault('unauthenticated', { what: 'a token', challenge, why: 'for another token none is given' })
      const upstream = wanted.find((id) => callers.all.has(id))
      // Whether an upstream takes it shows where something of it is asked for.
      if (upstream !== undefined)
        return access.seal({ principal: anonymous, credentials: credentialsFor([upstream], authorization) })
      try {
        return access.seal({ principal: await access.authenticate(authorization, client) })
      } catch (error) {
        // A login names no repository, so that nobody can say whose it is.
        const credentials = credentialsFor([], authorization)
        const isLogin = hasCallers && wanted.length === 0 && credentials !== undefined && isFault(error, 'unauthenticated')
        if (!isLogin) throw error
        return access.seal({ principal: anonymous, credentials })
      }
    },
  }
}

/** Who asks by a digest is not told whose it is. */
function namingNobody(error: unknown): unknown {
  if (!isFault(error) || isFault(error, 'client-limited', 'cancelled')) return error
  return new Fault('rights-unknown', { what: 'this', why: 'an upstream cannot be asked', retryAfterMs })
}

function printWanted(wanted: Wanted): string {
  return wanted.kind === 'repository' ? `${wanted.upstream}/${wanted.repository}` : printReference(wanted)
}
