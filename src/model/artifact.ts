import type { Digest } from './digest.ts'
import { type BlobReference, placeOf, type Reference, type UpstreamId } from './reference.ts'

/** What a reference means now: digests, size, media type. No bytes. */
export interface Artifact {
  readonly reference: Reference
  readonly mediaType: string
  readonly size?: number // bytes; unknown where an upstream does not say
  readonly digests: readonly Digest[] // strongest first; none while its bytes were never here and nobody vouches for them
  readonly freshUntil: number // epoch ms; Infinity for what is named by digest
  readonly checkedAt: number // epoch ms of the upstream answer behind this
  /** What the upstream tells its versions by, where no digest does. @see RFC 9110 §8.8 */
  readonly validators?: Validators
  /** Differs wherever the bytes may differ: what they are known by until they have a strong digest. */
  readonly version?: string
}

/** The bytes of it as a blob, where they have a digest and it is not that of a document which names others. */
export function blobOf({ reference, digests: [digest] }: Artifact): BlobReference | undefined {
  if (reference.kind === 'blob') return reference
  return reference.kind === 'manifest' || !digest ? undefined : { kind: 'blob', ...placeOf(reference), digest }
}

export interface Validators {
  readonly etag?: string // as it was sent, with its quotes
  readonly lastModified?: string // an HTTP date
}

/** One URL that claims to hold an artifact's exact bytes. */
export interface Source {
  readonly url: URL
  readonly via: UpstreamId
  readonly priority: number // 1 best, 999999 worst: RFC 5854 §4.2.16
  readonly country?: string // ISO 3166-1 alpha-2
  /**
   * A place asked without credentials: of the settings, a sibling (another one of us) only for what it holds; or learnt
   * from an answer. Where not said, the upstream itself.
   */
  readonly place?: 'mirror' | 'sibling' | 'learnt'
}

/** An upstream's answer to a reference. `document` holds the raw bytes of a manifest. */
export type Resolution =
  | {
      readonly outcome: 'found'
      readonly artifact: Artifact
      readonly sources: readonly Source[]
      readonly document?: Uint8Array
    }
  | { readonly outcome: 'unchanged'; readonly freshUntil: number }
  | { readonly outcome: 'missing' }
