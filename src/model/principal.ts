/** Who asks, as the edge found out. A token acts in the name it was issued to. */
export type Principal =
  | { readonly kind: 'anonymous' }
  | { readonly kind: 'user' | 'token'; readonly name: string }
  | { readonly kind: 'operator' }

export type Action = 'pull' | 'admin'

/** What travels down with each question: who, until when, and under which name in the log. */
export interface Ask {
  readonly principal: Principal
  readonly signal: AbortSignal
  readonly requestId: string
  readonly onlyIfHeld?: boolean // another proxy asks: no upstream is asked for it, so that no two ask each other for ever
  readonly revalidate?: boolean // the client said no-cache: ask the upstream now
}
