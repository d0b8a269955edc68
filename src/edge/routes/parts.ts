import type { Opened, Pulls } from '../../catalog/catalog.ts'
import { Fault } from '../../model/fault.ts'
import { parseRange, satisfy } from '../../model/range.ts'
import type { BlobReference } from '../../model/reference.ts'
import type { FieldOptions } from '../artifact-fields.ts'
import type { Exchange } from '../exchange.ts'
import type { Send } from '../send.ts'

export interface PartsDeps {
  readonly catalog: Pick<Pulls, 'open'>
  readonly send: Pick<Send, 'body'>
}

/**
 * Does the request ask for a part on behalf of a client that looks at no status? Who asks for the whole there looks: older
 * clients, which follow a 303 like any redirect.
 */
export function isPartRequest({ incoming, isHead }: Exchange, query: string): boolean {
  return !isHead && incoming.headers.range !== undefined && new URLSearchParams(query).get('part') === '1'
}

/**
 * A part of a held blob: exactly the bytes that were asked for. Clients write the body of any other answer into their file,
 * so that there is none.
 *
 * @see container-library-client client/downloader.go
 */
export function createParts({ catalog, send }: PartsDeps) {
  async function openHeld(reference: BlobReference, { principal, credentials, signal, requestId }: Exchange): Promise<Opened> {
    const opened = await catalog.open(reference, { principal, credentials, signal, requestId, onlyIfHeld: true })
    if (opened.from !== 'fill') return opened
    await opened.bytes[Symbol.asyncDispose]()
    throw new Fault('not-held', { what: reference.digest })
  }

  return async (exchange: Exchange, reference: BlobReference, fields: FieldOptions): Promise<void> => {
    const { range, 'if-range': condition } = exchange.incoming.headers
    const opened = await openHeld(reference, exchange)
    if (condition === undefined && isExact(range, opened.bytes.size)) return send.body(exchange, opened, fields)
    await opened.bytes[Symbol.asyncDispose]()
    throw new Fault('request-invalid', {
      what: `Range: ${range}`.slice(0, 100),
      why: 'it is not one range that lies within the file',
    })
  }
}

/** One range, none of which would have to be left out. */
function isExact(header: string | undefined, size: number | undefined): boolean {
  const [spec, ...more] = parseRange(header) ?? []
  if (!spec || more.length > 0 || size === undefined || !satisfy(spec, size)) return false
  return spec.kind === 'suffix' ? spec.length <= size : (spec.end ?? size) <= size
}
