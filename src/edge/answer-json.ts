import type { Outcome } from '../catalog/catalog.ts'
import { outcomeFields } from './artifact-fields.ts'
import type { Exchange } from './exchange.ts'

/** HEAD and GET of a small document that a protocol has for its clients. It may name us as this client knows us. */
export function answerJson(exchange: Exchange, text: string, outcome: Outcome): void {
  const { outgoing, isHead } = exchange
  const body = Buffer.from(text)
  exchange.outcome = outcome.kind
  outgoing.writeHead(200, [
    'Content-Type',
    'application/json',
    'Content-Length',
    String(body.length),
    'Cache-Control',
    'no-cache',
    'Vary',
    'Host',
    'X-Content-Type-Options',
    'nosniff',
    ...outcomeFields(outcome),
  ])
  outgoing.end(isHead ? undefined : body)
}
