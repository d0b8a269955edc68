import type { Linking } from '../../catalog/catalog.ts'
import { parseDigest } from '../../model/digest.ts'
import { Fault } from '../../model/fault.ts'
import type { UpstreamId } from '../../model/reference.ts'
import type { AnswerArtifact } from '../artifact.ts'
import type { FieldOptions } from '../artifact-fields.ts'
import type { Exchange } from '../exchange.ts'
import type { createMetalinkRoutes } from './metalink.ts'

export interface BlobRoutesDeps {
  readonly catalog: Pick<Linking, 'home'>
  readonly artifact: AnswerArtifact
  readonly metalinks: ReturnType<typeof createMetalinkRoutes>
  readonly fields: (exchange: Exchange, upstream: UpstreamId) => FieldOptions
}

const shape = /^\/blobs\/([a-z0-9]+)\/([0-9a-f]+)(\.meta4)?$/

/** Any blob by its digest alone: what metalinks point to. Its repository is one that is known to have it. */
export function createBlobRoutes({ catalog, artifact, metalinks, fields }: BlobRoutesDeps) {
  return async (exchange: Exchange, path: string): Promise<void> => {
    exchange.route = 'blob'
    const [, algorithm, hex, suffix] = shape.exec(path) ?? []
    if (algorithm === undefined)
      throw new Fault('request-invalid', { what: path.slice(0, 100), why: 'expected /blobs/sha256/HEX' })
    const reference = await catalog.home(parseDigest(`${algorithm}:${hex}`))
    exchange.upstream = reference.upstream
    if (suffix !== undefined || wantsMetalink(exchange)) return metalinks.ofBlob(exchange, reference)
    return artifact(exchange, reference, fields(exchange, reference.upstream))
  }
}

/** Asked for by type, and for nothing else: aria2 names it beside everything, and wants the bytes. */
export function wantsMetalink({ incoming }: Exchange): boolean {
  const { accept } = incoming.headers
  return accept !== undefined && /application\/metalink4\+xml/i.test(accept) && !accept.includes('*/*')
}
