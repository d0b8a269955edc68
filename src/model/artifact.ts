import type { Digest } from './digest.ts'
import type { Reference, UpstreamId } from './reference.ts'

/** What a reference means now: digests, size, media type. No bytes. */
export interface Artifact {
  readonly reference: Reference
  readonly mediaType: string
  readonly size?: number // bytes; unknown where an upstream does not say
  readonly digests: readonly Digest[] // strongest first
  readonly freshUntil: number // epoch ms; Infinity for what is named by digest
  readonly checkedAt: number // epoch ms of the upstream answer behind this
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
