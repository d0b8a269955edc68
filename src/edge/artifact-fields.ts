import type { Outcome } from '../catalog/catalog.ts'
import { printDigest, printReprDigest } from '../formats/digest-headers.ts'
import { printDescribedByLink, printDuplicateLink } from '../formats/metalink-headers.ts'
import { isLinkUrl } from '../formats/metalink-urls.ts'
import type { Listed } from '../mirrors/mirrors.ts'
import type { Artifact } from '../model/artifact.ts'
import type { Digest } from '../model/digest.ts'
import { printReference, type Reference } from '../model/reference.ts'

/** Header lines as Node writes them fastest: name, value, name, value. */
export type Fields = string[]

const year = 31_536_000 // s

export interface FieldOptions {
  readonly isNamedByDigest: boolean
  readonly isPublic: boolean // no credentials were needed upstream
  readonly namespace: string | undefined // the ns= that chose the upstream
  readonly own: string | undefined // our URL as this client reaches us, without a slash at its end
}

/**
 * What is said of the bytes, the same for HEAD and GET, and for every range of them.
 *
 * @see OCI distribution-spec, "Pulling manifests"; RFC 3230 §4.3.2 (Digest), RFC 9530 §3 (Repr-Digest), RFC 9110 §8.8.3
 */
export function artifactFields(artifact: Artifact, { isNamedByDigest, isPublic, namespace, own }: FieldOptions): Fields {
  const digest = artifact.digests[0]
  const fields: Fields = [
    'Content-Type',
    artifact.mediaType,
    'Accept-Ranges',
    'bytes',
    'Cache-Control',
    cacheControl(isNamedByDigest, isPublic),
  ]
  if (artifact.reference.kind === 'blob') fields.push('X-Content-Type-Options', 'nosniff')
  if (artifact.reference.kind === 'blob') fields.push('Vary', 'Accept') // its URL may answer with its metalink
  if (digest) {
    fields.push('Docker-Content-Digest', digest, 'ETag', printEtag(digest))
    fields.push('Digest', printDigest([digest]), 'Repr-Digest', printReprDigest([digest]))
  }
  if (own !== undefined)
    fields.push('Link', printDescribedByLink(own + metalinkPath(artifact.reference, digest, isNamedByDigest)))
  if (namespace !== undefined) fields.push('OCI-Namespace', namespace)
  return fields
}

/** Where our metalink of it is: by digest the one of these bytes, by tag the one of the image. */
function metalinkPath(reference: Reference, digest: Digest | undefined, isNamedByDigest: boolean): string {
  if (isNamedByDigest && digest) return `/blobs/${digest.replace(':', '/')}.meta4`
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

export function printEtag(digest: Digest): string {
  return `"${digest}"`
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
