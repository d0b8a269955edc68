import type { Outcome } from '../catalog/catalog.ts'
import { type Fields, outcomeFields } from './artifact-fields.ts'
import type { Exchange } from './exchange.ts'

export interface ShortAnswer {
  readonly status?: number // 200 unless said
  readonly body: string | Uint8Array
  readonly mediaType: string
  readonly outcome?: Outcome // where it took knowing, or asking
  readonly own?: Fields
  readonly cacheControl?: string // no-cache unless said
}

/** A few words in the form of a protocol, said anew each time. */
export function answerShortly(
  exchange: Exchange,
  { status = 200, mediaType, outcome, own = [], cacheControl = 'no-cache', ...answer }: ShortAnswer,
): void {
  const { outgoing, isHead } = exchange
  const body = Buffer.from(answer.body)
  const about = ['Content-Type', mediaType, 'Content-Length', String(body.length)]
  const fields = [...about, 'Cache-Control', cacheControl, 'X-Content-Type-Options', 'nosniff', ...own]
  exchange.outcome = outcome?.kind
  outgoing.writeHead(status, outcome ? [...fields, ...outcomeFields(outcome)] : fields)
  if (!isHead) exchange.sent += body.length
  outgoing.end(isHead ? undefined : body)
}

export function answerJson(exchange: Exchange, text: string, outcome?: Outcome): void {
  answerShortly(exchange, { body: `${text}\n`, mediaType: 'application/json', ...(outcome && { outcome }) })
}
