import type { Credentials, Principal } from '../model/principal.ts'

/** A repository, an image or a file of an upstream: what rules are about. */
export interface Place {
  readonly upstream: string
  readonly repository: string // or the name of an image, or the path of a file
}

/** Who may read what. Asks nobody, and costs nothing worth mentioning. */
export interface Policy {
  /** Everybody may read everything, so that nobody need say who it is. */
  readonly isOpen: boolean
  /** Everybody may read everything of it. */
  isOpenToAll(upstream: string): boolean
  mayPull(principal: Principal, place: Place): boolean
  /** Everything of it, also what has no name yet: lists and searches tell names. */
  mayPullAll(principal: Principal, upstream: string): boolean
  /** Anything of it. */
  mayPullSome(principal: Principal, upstream: string): boolean
  /** Is there a name under which it might be read? Without a place: anything at all. */
  couldHelp(place?: Place): boolean
  isAdmin(principal: Principal): boolean
}

/** What an Authorization field shows. */
export type Shown =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'token'; readonly token: string; readonly isOurs: boolean }
  | { readonly kind: 'password'; readonly name: string; readonly password: string }
  | { readonly kind: 'ticket'; readonly text: string }
  | { readonly kind: 'unknown' }

/** What somebody showed once, and need not show again for a while. */
export interface Ticket {
  readonly principal: Principal
  readonly credentials?: Credentials | undefined // for upstreams that say themselves who may read what
}

/** Who may come in, who it is, and what it may read. */
export interface Access extends Policy {
  /** Some addresses may not connect at all. */
  readonly hasNetworks: boolean
  mayConnect(address: string): boolean
  /**
   * Who shows this Authorization field; settled at once unless a password has to be checked for the first time in a while.
   *
   * @throws Fault 'unauthenticated' for credentials that are not known, 'client-limited', 'overloaded'
   */
  authenticate(authorization: string | undefined, address: string): Principal | Promise<Principal>
  /** What the field shows; nobody has asked whether it is right. */
  shown(authorization: string | undefined): Shown
  /** As text that only we can read. */
  seal(ticket: Ticket): { readonly text: string; readonly forMs: number }
  /** Undefined for what we did not seal, or is over. */
  opened(text: string): Ticket | undefined
  close(): Promise<void>
}

/** What is told of a token: never the token. */
export interface TokenFacts {
  readonly id: string
  readonly name: string // in which it acts
  readonly createdAt: number // epoch ms
  readonly expiresAt: number | undefined // epoch ms
}

/** The tokens of this site. A running server learns of changes within seconds. */
export interface Tokens {
  /** The token is told this once. @throws Fault 'request-invalid', 'disk-…' */
  issue(name: string, expiresInMs: number | undefined): Promise<TokenFacts & { readonly token: string }>
  /** Oldest first. @throws Fault 'disk-failed' */
  list(): Promise<readonly TokenFacts[]>
  /** False where there is none of that id. @throws Fault 'disk-failed' */
  revoke(id: string): Promise<boolean>
}
