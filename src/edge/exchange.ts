import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Outcome } from '../catalog/catalog.ts'
import { Fault } from '../model/fault.ts'
import type { Ask, Credentials, Principal } from '../model/principal.ts'

/** One request and its answer, with what the log and the metrics will say of it. */
export interface Exchange extends Ask {
  principal: Principal // nobody, until it was found out
  credentials: Credentials | undefined
  /** What it asks for is for upstreams to say that say themselves who may read what. */
  isCallers: boolean
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly startedAt: number // ms, `performance.now()`
  readonly isHead: boolean
  route: Route
  /** Whose form an error takes. */
  protocol: Protocol
  upstream: string | undefined
  outcome: Outcome['kind'] | undefined
  sent: number // body bytes handed to the socket
  firstByteAt: number | undefined // ms, `performance.now()`
  /** Its client takes whatever comes for the bytes it asked for: what else there is to say is said by breaking off. */
  isPart: boolean
  /** Where the metalink of the blob is that this is about; for an answer without its bytes. */
  describedBy: string | undefined
  /** The connection ends with the answer. */
  isLast: boolean
  /** It counts among those that are being answered. */
  isAdmitted: boolean
  /** The address of who asks, as far as the proxies in front of us can be believed. */
  readonly client: string
}

export type Route =
  | 'metalink'
  | 'manifest'
  | 'blob'
  | 'tags'
  | 'referrers'
  | 'catalog'
  | 'ping'
  | 'image' // the bytes of an image that is one file
  | 'document' // what a protocol of such images says of them
  | 'file'
  | 'key'
  | 'other'

export type Protocol = 'oci' | 'library' | 'shub' | 'static' | 'files'

const anonymous: Principal = { kind: 'anonymous' }

/** `over` is called once, when the answer has been handed to the kernel or the client has gone. */
export function beginExchange(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  requestId: string,
  over: (exchange: Exchange) => void,
  clientOf: (incoming: IncomingMessage) => string,
): Exchange {
  const exchange = new LiveExchange(incoming, outgoing, requestId, clientOf)
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
  principal: Principal = anonymous
  credentials: Credentials | undefined = undefined
  isCallers = false
  readonly startedAt = performance.now()
  readonly isHead: boolean
  readonly revalidate: boolean
  readonly onlyIfHeld: boolean
  route: Route = 'other'
  protocol: Protocol = 'oci'
  upstream: string | undefined = undefined
  outcome: Outcome['kind'] | undefined = undefined
  sent = 0
  firstByteAt: number | undefined = undefined
  isPart = false
  describedBy: string | undefined = undefined
  isLast = false
  isAdmitted = false
  #client: string | undefined = undefined
  #control: AbortController | undefined = undefined
  readonly #clientOf: (incoming: IncomingMessage) => string

  constructor(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    requestId: string,
    clientOf: (incoming: IncomingMessage) => string,
  ) {
    this.incoming = incoming
    this.outgoing = outgoing
    this.requestId = requestId
    this.#clientOf = clientOf
    if (incoming.httpVersionMajor > 1) this.#client = clientOf(incoming) // an HTTP/2 stream that has ended does not know
    this.isHead = incoming.method === 'HEAD'
    this.revalidate = saysNoCache(incoming)
    this.onlyIfHeld = incoming.headers['cache-control']?.includes('only-if-cached') ?? false
  }

  get client(): string {
    this.#client ??= this.#clientOf(this.incoming)
    return this.#client
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
