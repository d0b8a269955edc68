import type { Pulls } from '../../catalog/catalog.ts'
import { Fault, isFault } from '../../model/fault.ts'
import { type FileReference, parseFilePath, type UpstreamId } from '../../model/reference.ts'
import type { AnswerArtifact } from '../artifact.ts'
import type { FieldOptions } from '../artifact-fields.ts'
import type { Exchange } from '../exchange.ts'
import { partAtEnd, withoutPart } from '../metalink-path.ts'
import type { NamedChoice } from '../named-choice.ts'
import type { RequestTarget } from '../target.ts'
import { wantsMetalink } from './blobs.ts'
import type { createMetalinkRoutes } from './metalink.ts'

export interface FilesRoutesDeps {
  readonly catalog: Pick<Pulls, 'told'>
  readonly choose: NamedChoice
  readonly artifact: AnswerArtifact
  readonly metalinks: Pick<ReturnType<typeof createMetalinkRoutes>, 'ofFile'>
  readonly fields: (exchange: Exchange, upstream: UpstreamId) => FieldOptions
  /** Upstreams whose folders are passed on. */
  readonly passesFolders: (upstream: UpstreamId) => boolean
}

/** Plain files below `/files/<upstream>/`, and the metalink of each: its URL with `.meta4` after it. */
export function createFilesRoutes({ catalog, choose, artifact, metalinks, fields, passesFolders }: FilesRoutesDeps) {
  return async (exchange: Exchange, { path, query }: RequestTarget): Promise<void> => {
    exchange.route = 'file'
    exchange.protocol = 'files'
    if (exchange.incoming.method !== 'GET' && !exchange.isHead)
      throw new Fault('unsupported', { what: `${exchange.incoming.method} ${path.slice(0, 100)}` })
    const [, name = '', rest] = /^\/files\/([^/]*)(?:\/(.*))?$/s.exec(path) ?? []
    const upstream = choose('files', name)
    exchange.upstream = upstream
    if (rest === undefined) throw new Fault('request-invalid', { what: path.slice(0, 100), why: 'expected /files/UPSTREAM/PATH' })
    if (query !== '')
      throw new Fault('request-invalid', {
        what: `a query after ${path.slice(0, 200)}`,
        why: 'files are known by their path alone, and with a query it may be another one',
      })
    if ((rest === '' || rest.endsWith('/')) && !passesFolders(upstream))
      throw new Fault('denied', { what: `the folder ${path.slice(0, 200)}`, by: 'the settings of this proxy (folders: refuse)' })
    const reference: FileReference = { kind: 'file', upstream, path: parseFilePath(rest) }
    const options = fields(exchange, upstream)
    if (wantsMetalink(exchange)) return metalinks.ofFile(exchange, reference)
    const part = partAtEnd(rest)
    if (!part) return artifact(exchange, reference, options)
    // A file of that very name wins over the document about another.
    if (await isThere(reference, exchange)) return artifact(exchange, reference, options)
    return metalinks.ofFile(exchange, { ...reference, path: parseFilePath(withoutPart(rest, part)) }, part)
  }

  async function isThere(reference: FileReference, exchange: Exchange): Promise<boolean> {
    try {
      await catalog.told(reference, exchange)
      return true
    } catch (error) {
      if (isFault(error)) return false
      throw error
    }
  }
}
