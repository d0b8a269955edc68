import type { Artifact } from '../model/artifact.ts'
import type { Digest } from '../model/digest.ts'

/** What tells a client one version of the bytes from another. @see RFC 9110 §8.8 */
export interface Version {
  readonly etag: string | undefined
  readonly lastModified: string | undefined
}

/** A plain file keeps the ETag its own server gave it, as it is asked for by name there too; all else goes by its digest. */
export function versionOf({ reference, digests, validators }: Artifact): Version {
  const own = digests[0] && printEtag(digests[0])
  if (reference.kind !== 'file') return { etag: own, lastModified: undefined }
  return { etag: validators?.etag ?? own, lastModified: validators?.lastModified }
}

export function printEtag(digest: Digest): string {
  return `"${digest}"`
}
