import type { Pulls } from '../catalog/catalog.ts'
import type { Reference } from '../model/reference.ts'
import type { FieldOptions } from './artifact-fields.ts'
import type { Exchange } from './exchange.ts'
import type { Send } from './send.ts'

export type AnswerArtifact = (exchange: Exchange, reference: Reference, fields: FieldOptions) => Promise<void>

/** HEAD, GET and conditions of one artifact. @throws Fault, only while no header was sent */
export function createAnswerArtifact(catalog: Pick<Pulls, 'resolve' | 'open'>, send: Send): AnswerArtifact {
  return async (exchange, reference, fields) => {
    const { 'if-none-match': unless, 'if-match': only } = exchange.incoming.headers
    if (exchange.isHead || unless !== undefined || only !== undefined) {
      const resolved = await catalog.resolve(reference, exchange)
      if (send.settles(exchange, resolved, fields)) return
      if (exchange.isHead) return send.head(exchange, resolved, fields) // a HEAD must not start a fill
    }
    return send.body(exchange, await catalog.open(reference, exchange), fields)
  }
}
