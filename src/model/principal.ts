import type { UpstreamId } from './reference.ts'

/** Who asks, as the edge found out. A token acts in the name it was issued to. */
export type Principal =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'user' | 'token'; readonly name: string }
  | { readonly kind: 'operator' }

export type Action = 'pull' | 'admin'

/** What somebody shows of itself. Never logged, never kept. */
export type Login =
  | { readonly kind: 'password'; readonly username: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string }

/** What whoever asks shows to upstreams that say themselves who may read what: to these, and to nobody else. */
export type Credentials = Login & { readonly upstreams: readonly UpstreamId[] }

/** What travels down with each question: who, until when, and under which name in the log. */
export interface Ask {
  readonly principal: Principal
  readonly signal: AbortSignal
  readonly requestId: string
  readonly client?: string // its address
  readonly credentials?: Credentials | undefined // nobody, to such an upstream, if not said
  readonly onlyIfHeld?: boolean // another proxy asks: no upstream is asked for it, so that no two ask each other for ever
  readonly revalidate?: boolean // the client said no-cache: ask the upstream now
  readonly canDoWithout?: boolean // something older may be served: nothing that an upstream counts is spent of the last
}
