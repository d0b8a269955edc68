import type { IncomingHttpHeaders } from 'node:http'
import type { Linking, Pulls } from '../catalog/catalog.ts'
import type { Artifact } from '../model/artifact.ts'
import type { ByteSource } from '../model/byte-source.ts'
import { hexOf } from '../model/digest.ts'
import type { BlobReference, Reference } from '../model/reference.ts'
import type { FieldOptions } from './artifact-fields.ts'
import type { Exchange } from './exchange.ts'
import type { Send } from './send.ts'
import { wantsDigests, withWanted } from './wanted-digests.ts'

export type AnswerArtifact = (
  exchange: Exchange,
  reference: Reference,
  fields: FieldOptions,
  demands?: ArtifactDemands,
) => Promise<void>

/** For clients that check nothing themselves. */
export interface ArtifactDemands {
  /** Are these the bytes that are meant? @throws Fault where not */
  readonly accept?: (artifact: Artifact) => void
  /** What ends without a length might be cut: an answer of unknown length waits until it is known. */
  readonly isMeasured?: boolean
}

const stepBytes = 256 * 1024

type Known = Pick<Pulls, 'resolve' | 'open'> & Pick<Linking, 'digests' | 'documented'>

/** HEAD, GET and conditions of one artifact. @throws Fault, only while no header was sent */
export function createAnswerArtifact(catalog: Known, send: Send): AnswerArtifact {
  async function answer(exchange: Exchange, reference: Reference, fields: FieldOptions, demands: ArtifactDemands): Promise<void> {
    const { headers } = exchange.incoming
    const optionsFor = (artifact: Artifact) =>
      wantsDigests(headers) ? withWanted(headers, artifact, fields, catalog.digests) : fields

    if (exchange.isHead || isConditional(headers)) {
      const resolved = await catalog.resolve(reference, exchange)
      demands.accept?.(resolved.artifact)
      const options = await optionsFor(resolved.artifact)
      if (send.settles(exchange, resolved, options)) return
      if (exchange.isHead) return send.head(exchange, resolved, options) // a HEAD must not start a fill
    }
    const opened = await openFitting(exchange, reference, demands)
    return send.body(exchange, opened, await optionsFor(opened.artifact))
  }

  async function openFitting(exchange: Exchange, reference: Reference, { accept, isMeasured = false }: ArtifactDemands) {
    const opened = await catalog.open(reference, exchange)
    try {
      accept?.(opened.artifact)
      if (isMeasured && opened.bytes.size === undefined) await readThrough(opened.bytes, exchange.signal)
      return opened
    } catch (error) {
      await opened.bytes[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Whoever is refused bytes that are known may find them elsewhere: the metalink tells where. @see RFC 6249 §4 */
  async function tellDocument(exchange: Exchange, reference: BlobReference, { own }: FieldOptions): Promise<void> {
    const id = own === undefined ? undefined : await catalog.documented(reference)
    if (id) exchange.describedBy = `${own}/blobs/sha256/${hexOf(id)}.meta4`
  }

  return async (exchange, reference, fields, demands = {}) => {
    try {
      await answer(exchange, reference, fields, demands)
    } catch (error) {
      if (reference.kind === 'blob') await tellDocument(exchange, reference, fields).catch(() => {})
      throw error
    }
  }
}

/** To its end, which is known from then on. */
async function readThrough(bytes: ByteSource, signal: AbortSignal): Promise<void> {
  const buffer = Buffer.allocUnsafe(stepBytes)
  for (let at = 0, count = 1; count > 0; at += count) count = await bytes.read(buffer, at, signal)
}

function isConditional(headers: IncomingHttpHeaders): boolean {
  return ['if-none-match', 'if-match', 'if-modified-since'].some((name) => headers[name] !== undefined)
}
