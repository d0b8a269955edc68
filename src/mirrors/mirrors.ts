import type { Source } from '../model/artifact.ts'
import type { Fault } from '../model/fault.ts'
import type { BlobReference, UpstreamId } from '../model/reference.ts'

/** Other places with the bytes an upstream has: which there are, in what order, and how they are doing. */
export interface Mirrors {
  /** For a fill: those not known to be down, best first, then `known`; priorities dense from 1. */
  rank(reference: BlobReference, known: readonly Source[]): readonly Source[]
  /** For clients: places that answer anybody and were seen to hold `size` bytes under this digest, best first. Asks nobody. */
  proved(reference: BlobReference, size: number): readonly Listed[]
  /**
   * Asks the places of which it is not known whether they hold the bytes, without credentials. Settles when all have
   * answered, or had their time; who was asked lately is not asked again. Never rejects.
   */
  prove(reference: BlobReference, size: number): Promise<void>
  /** Are there mirrors of that upstream at all? */
  has(upstream: UpstreamId): boolean
  /** Moves whenever `proved` may say something else than before. */
  readonly version: number
  report(source: Source, outcome: Outcome): void
  list(): readonly MirrorState[]
}

export interface Listed {
  readonly url: URL
  readonly country: string | undefined
  readonly since: number // epoch ms: when it was found to hold them
}

export type Outcome =
  | { readonly kind: 'bytes'; readonly bytes: number; readonly ms: number }
  | { readonly kind: 'answer' } // to a question that brought no bytes
  | { readonly kind: 'fault'; readonly fault: Fault; readonly wasQuestion?: boolean }

/** One place, for people. */
export interface MirrorState {
  readonly upstream: string
  readonly url: string
  readonly kind: string
  readonly priority: number
  readonly rank: number // 1 is asked first
  readonly country: string | undefined
  readonly state: 'up' | 'suspect' | 'down'
  readonly bytesPerSecond: number | undefined // smoothed
  readonly lastError: string | undefined
  readonly downUntil: number | undefined // epoch ms
}
