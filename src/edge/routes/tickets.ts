import { Fault } from '../../model/fault.ts'
import type { UpstreamId } from '../../model/reference.ts'
import type { Exchange } from '../exchange.ts'
import type { Gate } from '../gate.ts'
import { answerShortly } from '../short-answer.ts'
import type { RequestTarget } from '../target.ts'
import type { Naming } from '../upstream-choice.ts'

export interface TicketRouteDeps {
  readonly gate: Pick<Gate, 'ticketFor'>
  readonly choose: (naming: Naming) => { readonly upstream: UpstreamId }
}

const scopeShape = /^repository:(.+):[a-z*,]*$/

/**
 * Hands out what clients of registries show instead of a password: they ask for it where `/v2/` says so, and many show their
 * password nowhere else. Who shows none gets one too, for what is open to everybody.
 *
 * @see distribution "Token Authentication Specification"
 */
export function createTicketRoute({ gate, choose }: TicketRouteDeps) {
  function upstreamOf(scope: string, host: string): UpstreamId | undefined {
    const name = scopeShape.exec(scope)?.[1]
    try {
      return name === undefined ? undefined : choose({ name, namespaces: [], host }).upstream
    } catch {
      return undefined // asked for, it will be said what is wrong with it
    }
  }

  return async (exchange: Exchange, { query, host }: RequestTarget): Promise<void> => {
    if (exchange.incoming.method !== 'GET') throw new Fault('unsupported', { what: `${exchange.incoming.method} /token` })
    const scopes = new URLSearchParams(query).getAll('scope').flatMap((scope) => scope.split(' '))
    const upstreams = scopes.flatMap((scope) => upstreamOf(scope, host) ?? [])
    const { text, forMs } = await gate.ticketFor(exchange, upstreams)
    const body = JSON.stringify({ token: text, access_token: text, expires_in: Math.floor(forMs / 1000) })
    answerShortly(exchange, { body: `${body}\n`, mediaType: 'application/json', cacheControl: 'no-store' })
  }
}
