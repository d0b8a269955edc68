import type { TagReference } from '../../src/catalog/knowledge.ts'
import type { Digest } from '../../src/model/digest.ts'
import type { Ask } from '../../src/model/principal.ts'
import {
  type BlobReference,
  type ManifestReference,
  parsePointer,
  parseRepository,
  type Repository,
  type UpstreamId,
} from '../../src/model/reference.ts'

export const hub = 'hub.example' as UpstreamId
export const tool: Repository = parseRepository('lab/tool')

/** Somebody asks who stays as long as it takes, unless told otherwise. */
export function asking(more: Partial<Ask> = {}): Ask {
  return { principal: { kind: 'anonymous' }, signal: new AbortController().signal, requestId: 'test', ...more }
}

export function manifestNamed(pointer: string, repository = 'lab/tool', upstream = hub): ManifestReference {
  return { kind: 'manifest', upstream, repository: parseRepository(repository), pointer: parsePointer(pointer) }
}

export function tagNamed(tag: string, repository = 'lab/tool', upstream = hub): TagReference {
  return manifestNamed(tag, repository, upstream) as TagReference
}

export function blobNamed(digest: Digest, repository = 'lab/tool', upstream = hub): BlobReference {
  return { kind: 'blob', upstream, repository: parseRepository(repository), digest }
}
