import type { Linking } from '../../catalog/catalog.ts'
import { pgpSignatureType } from '../../formats/metalink-document.ts'
import { type Digest, hexOf, parseDigest } from '../../model/digest.ts'
import { Fault } from '../../model/fault.ts'
import type { BlobReference, UpstreamId } from '../../model/reference.ts'
import type { AnswerArtifact } from '../artifact.ts'
import type { FieldOptions } from '../artifact-fields.ts'
import type { Exchange } from '../exchange.ts'
import type { Gate } from '../gate.ts'
import { cachedFor, sendDocument, smallDocument } from '../small-document.ts'
import type { RequestTarget } from '../target.ts'
import type { createMetalinkRoutes } from './metalink.ts'
import { type createParts, isPartRequest } from './parts.ts'

export interface BlobRoutesDeps {
  readonly catalog: Pick<Linking, 'homes' | 'signature'>
  readonly gate: Pick<Gate, 'firstOpen' | 'nothing'>
  readonly artifact: AnswerArtifact
  readonly parts: ReturnType<typeof createParts>
  readonly metalinks: ReturnType<typeof createMetalinkRoutes>
  readonly fields: (exchange: Exchange, upstream: UpstreamId) => FieldOptions
}

const shape = /^\/blobs\/([a-z0-9]+)\/([0-9a-f]+)(\.meta4|\.meta4\.asc|\.asc)?$/

/** Any blob by its digest alone: what metalinks point to. Its repository is one that is known to have it. */
export function createBlobRoutes({ catalog, gate, artifact, parts, metalinks, fields }: BlobRoutesDeps) {
  return async (exchange: Exchange, { path, query }: RequestTarget): Promise<void> => {
    exchange.route = 'blob'
    exchange.isPart = isPartRequest(exchange, query)
    const [, algorithm, hex, suffix] = shape.exec(path) ?? []
    if (algorithm === undefined)
      throw new Fault('request-invalid', { what: path.slice(0, 100), why: 'expected /blobs/sha256/HEX' })
    const reference = await homeOf(exchange, parseDigest(`${algorithm}:${hex}`))
    exchange.upstream = reference.upstream
    if (exchange.isPart) return parts(exchange, reference, fields(exchange, reference.upstream))
    if (suffix === '.asc') return signature(exchange, reference)
    if (suffix === '.meta4.asc') return metalinks.ofBlob(exchange, reference, 'signature')
    if (suffix !== undefined || wantsMetalink(exchange)) return metalinks.ofBlob(exchange, reference)
    return artifact(exchange, reference, fields(exchange, reference.upstream))
  }

  /** One that whoever asks may read. */
  async function homeOf(exchange: Exchange, digest: Digest): Promise<BlobReference> {
    const homes = await catalog.homes(digest)
    return (await gate.firstOpen(exchange, homes)) ?? gate.nothing(exchange, digest)
  }

  async function signature(exchange: Exchange, reference: BlobReference): Promise<void> {
    const armored = await catalog.signature(reference, exchange)
    sendDocument(
      exchange,
      smallDocument(`${armored}\n`, pgpSignatureType, `${hexOf(reference.digest)}.asc`),
      cachedFor(exchange, 60),
    )
  }
}

/** Asked for by type, and for nothing else: aria2 names it beside everything, and wants the bytes. */
export function wantsMetalink({ incoming }: Exchange): boolean {
  const { accept } = incoming.headers
  return accept !== undefined && /application\/metalink4\+xml/i.test(accept) && !accept.includes('*/*')
}
