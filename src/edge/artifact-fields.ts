import type { Outcome } from '../catalog/catalog.ts'
import { isForReprDigest, printDigest, printReprDigest } from '../formats/digest-headers.ts'
import { pgpSignatureType } from '../formats/metalink-document.ts'
import { printDescribedByLink, printDuplicateLink } from '../formats/metalink-headers.ts'
import { isLinkUrl } from '../formats/metalink-urls.ts'
import type { Listed } from '../mirrors/mirrors.ts'
import type { Artifact } from '../model/artifact.ts'
import { algorithmOf, type BlobId, type Digest, hexOf } from '../model/digest.ts'
import { printReference, type Reference } from '../model/reference.ts'
import { versionOf } from './versions.ts'

/** Header lines as Node writes them fastest: name, value, name, value. */
export type Fields = string[]

const year = 31_536_000 // s

export interface FieldOptions {
  readonly isNamedByDigest: boolean
  readonly isPublic: boolean // no credentials were needed upstream
  readonly namespace: string | undefined // the ns= that chose the upstream
  readonly own: string | undefined // our URL as this client reaches us, without a slash at its end
  /** What Digest and Repr-Digest name, where the client asked for more than the one digest of the artifact. */
  readonly told?: ToldDigests
}

export interface ToldDigests {
  readonly digest: readonly Digest[]
  readonly reprDigest: readonly Digest[]
}

/**
 * What is said of the bytes, the same for HEAD and GET, and for every range of them.
 *
 * @see OCI distribution-spec, "Pulling manifests"; RFC 3230 §4.3.2 (Digest), RFC 9530 §3 (Repr-Digest), RFC 9110 §8.8.3
 */
export function artifactFields(artifact: Artifact, { isNamedByDigest, isPublic, namespace, own, told }: FieldOptions): Fields {
  const digest = artifact.digests[0]
  const fields: Fields = [
    'Content-Type',
    artifact.mediaType,
    'Accept-Ranges',
    'bytes',
    'Cache-Control',
    cacheControl(isNamedByDigest, isPublic),
  ]
  if (artifact.reference.kind !== 'manifest') fields.push('X-Content-Type-Options', 'nosniff')
  if (artifact.reference.kind !== 'manifest') fields.push('Vary', 'Accept') // its URL may answer with its metalink
  if (digest) {
    if (isRegistryKind(artifact.reference)) fields.push('Docker-Content-Digest', digest)
    fields.push(...digestFields(told ?? toldOf(digest)))
  }
  const { etag, lastModified } = versionOf(artifact)
  if (etag !== undefined) fields.push('ETag', etag)
  if (lastModified !== undefined) fields.push('Last-Modified', lastModified)
  const document = metalinkPath(artifact.reference, digest, isNamedByDigest)
  if (own !== undefined && document !== undefined) fields.push('Link', printDescribedByLink(own + document))
  if (namespace !== undefined) fields.push('OCI-Namespace', namespace)
  return fields
}

function toldOf(digest: Digest): ToldDigests {
  return { digest: [digest], reprDigest: isForReprDigest(algorithmOf(digest)) ? [digest] : [] }
}

function digestFields({ digest, reprDigest }: ToldDigests): Fields {
  return ['Digest', printDigest(digest), ...(reprDigest.length > 0 ? ['Repr-Digest', printReprDigest(reprDigest)] : [])]
}

function isRegistryKind({ kind }: Reference): boolean {
  return kind === 'manifest' || kind === 'blob'
}

/** Where our metalink of it is: by digest the one of these bytes, by tag the one of the image. There is none without hashes. */
function metalinkPath(reference: Reference, digest: Digest | undefined, isNamedByDigest: boolean): string | undefined {
  if (digest && (isNamedByDigest || reference.kind === 'image')) return `/blobs/${digest.replace(':', '/')}.meta4`
  if (reference.kind === 'file') return digest && `/files/${printReference(reference)}.meta4`
  if (reference.kind === 'image') return undefined
  return `/metalink/${printReference(reference)}.meta4`
}

/** One line for each place that was seen to hold the bytes, besides us. @see RFC 6249 §3 */
export function duplicateFields(places: readonly Listed[]): Fields {
  return places.flatMap(({ url, country }, at) =>
    isLinkUrl(url.href)
      ? ['Link', printDuplicateLink({ url: url.href, priority: at + 1, ...(country === undefined ? {} : { country }) })]
      : [],
  )
}

/** Where a signature of the bytes is. @see RFC 6249 §4.2 */
export function signatureField(own: string, id: BlobId): Fields {
  return ['Link', printDescribedByLink(`${own}/blobs/sha256/${hexOf(id)}.asc`, pgpSignatureType)]
}

/** How the answer came about. @see RFC 9211 §2; RFC 9111 §5.1 (Age), §5.5 (Warning, which container clients still print) */
export function outcomeFields(outcome: Outcome): Fields {
  switch (outcome.kind) {
    case 'hit':
      return ['Cache-Status', 'forebay; hit']
    case 'miss':
      return ['Cache-Status', 'forebay; fwd=miss']
    case 'collapsed':
      return ['Cache-Status', 'forebay; fwd=miss; collapsed']
    case 'revalidated':
      return ['Cache-Status', 'forebay; fwd=stale; fwd-status=304']
    case 'stale': {
      const age = Math.floor(outcome.ageMs / 1000)
      const why = outcome.why.replace(/[^\x20-\x7e]|["\\]/g, ' ').slice(0, 300)
      return ['Cache-Status', 'forebay; fwd=stale', 'Age', String(age), 'Warning', `299 - "served stale, ${age} s old: ${why}"`]
    }
  }
}

function cacheControl(isNamedByDigest: boolean, isPublic: boolean): string {
  if (!isNamedByDigest) return 'no-cache'
  return `${isPublic ? 'public' : 'private'}, max-age=${year}, immutable`
}
