import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Outcome } from '../catalog/catalog.ts'
import { Fault } from '../model/fault.ts'
import type { Ask, Principal } from '../model/principal.ts'

/** One request and its answer, with what the log and the metrics will say of it. */
export interface Exchange extends Ask {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly startedAt: number // ms, `performance.now()`
  readonly isHead: boolean
  route: Route
  upstream: string | undefined
  outcome: Outcome['kind'] | undefined
  sent: number // body bytes handed to the socket
  firstByteAt: number | undefined // ms, `performance.now()`
}

export type Route = 'metalink' | 'manifest' | 'blob' | 'tags' | 'referrers' | 'catalog' | 'ping' | 'other'

const anonymous: Principal = { kind: 'anonymous' }

/** `over` is called once, when the answer has been handed to the kernel or the client has gone. */
export function beginExchange(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  requestId: string,
  over: (exchange: Exchange) => void,
): Exchange {
  const exchange = new LiveExchange(incoming, outgoing, requestId)
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) exchange.leave()
    over(exchange)
  })
  return exchange
}

// A class, as an object literal with a getter costs as much as parsing the request: a third of all hits from memory, measured.
class LiveExchange implements Exchange {
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly requestId: string
  readonly principal = anonymous
  readonly startedAt = performance.now()
  readonly isHead: boolean
  readonly revalidate: boolean
  readonly onlyIfHeld: boolean
  route: Route = 'other'
  upstream: string | undefined = undefined
  outcome: Outcome['kind'] | undefined = undefined
  sent = 0
  firstByteAt: number | undefined = undefined
  #control: AbortController | undefined = undefined

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, requestId: string) {
    this.incoming = incoming
    this.outgoing = outgoing
    this.requestId = requestId
    this.isHead = incoming.method === 'HEAD'
    this.revalidate = saysNoCache(incoming)
    this.onlyIfHeld = incoming.headers['cache-control']?.includes('only-if-cached') ?? false
  }

  /** Made when somebody asks: a hit from memory waits for nothing. */
  get signal(): AbortSignal {
    if (!this.#control) {
      this.#control = new AbortController()
      if (this.outgoing.destroyed) this.leave()
    }
    return this.#control.signal
  }

  leave(): void {
    this.#control?.abort(gone(this.requestId))
  }
}

function gone(requestId: string): Fault {
  return new Fault('cancelled', { what: `request ${requestId}, whose client has gone,` })
}

/** @see RFC 9111 §5.2.1.4, §5.4 */
function saysNoCache({ headers }: IncomingMessage): boolean {
  const field = headers['cache-control']
  return field === undefined ? headers.pragma === 'no-cache' : /(?:^|[\s,])no-cache(?:[\s,]|$)/i.test(field)
}
