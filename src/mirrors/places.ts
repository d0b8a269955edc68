import { asBlobId, hexOf } from '../model/digest.ts'
import type { BlobReference } from '../model/reference.ts'

/**
 * registry: the upstream's own API below its path; files: the same files below its path; forebay: another one of us; tree: a
 * folder with `blobs/sha256/<hex>`.
 */
export type MirrorKind = 'registry' | 'files' | 'forebay' | 'tree'

/** An upstream itself: a registry, or a place of files. */
export type OriginKind = 'origin' | 'origin-files'

export function isOrigin({ kind }: { readonly kind: MirrorKind | OriginKind }): boolean {
  return kind === 'origin' || kind === 'origin-files'
}

/** Where a place, or an upstream itself, would have a blob; undefined where it cannot name it. */
export function urlAt(kind: MirrorKind | OriginKind, base: URL, { repository, digest }: BlobReference): URL | undefined {
  const path = base.pathname.replace(/\/+$/, '')
  if (kind === 'origin') return new URL(`${path}/v2/${repository}/blobs/${digest}`, base)
  if (kind === 'registry') return new URL(`/v2${path}/${repository}/blobs/${digest}`, base)
  if (kind === 'files' || kind === 'origin-files') return new URL(`${path}/${repository}`, base)
  const id = asBlobId(digest)
  return id && new URL(`${path}/blobs/sha256/${hexOf(id)}`, base)
}
