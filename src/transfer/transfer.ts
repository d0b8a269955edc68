import type { Artifact, Source, Validators } from '../model/artifact.ts'
import type { ByteSource } from '../model/byte-source.ts'
import { type Algorithm, algorithmOf, type Digest, isStrong } from '../model/digest.ts'
import { printReference } from '../model/reference.ts'
import type { StoredBlob } from '../store/blob-store.ts'
import type { MetalinkLinks } from '../upstream/upstream.ts'

/** Brings blobs in: one running fill per digest, however many ask. */
export interface Transfer {
  /** Joins the running fill of the same bytes (`fillKey`), adding its sources, or starts one. @throws Fault 'overloaded' */
  fill(artifact: Artifact, sources: readonly Source[]): Fill
  running(key: string): Fill | undefined
  list(): readonly FillState[]
  /** How many fills may run and how many wait. None that runs or waits now is ended by it. */
  setLimits(maxFills: number, maxQueued: number): void
  /** Starts nothing more, waits for what runs until the signal aborts, keeps the rest as spools. */
  close(signal: AbortSignal): Promise<void>
}

export interface Fill {
  readonly artifact: Artifact // as it was asked for first
  /**
   * Settles once a status can be given: the first source has answered, and what waits whole (visible.ts) is whole.
   * Rejects with the source's fault when none would answer.
   */
  readonly opened: Promise<Opening>
  /** One per reader, which disposes it. Holds bytes back until they may be shown. A fill without readers ends after a while. */
  follow(): ByteSource
  readonly stored: Promise<Filled>
  /** Of a fill that our own disk failed: what its readers may have been given. Undefined where nobody can say. */
  readonly given?: Prefix | undefined
}

/** What the first bytes of something hash to, by the algorithm of its own digest. */
export interface Prefix {
  readonly end: number // bytes
  readonly digest: Digest
}

export function prefixAlgorithm({ digests: [expected] }: Artifact): Algorithm {
  return expected ? algorithmOf(expected) : 'sha256'
}

export interface Opening {
  readonly size: number | undefined // bytes
  /** What the source said of the version of these bytes, where no digest tells them. */
  readonly version?: Validators | undefined
}

export interface Filled {
  readonly artifact: Artifact // as it was asked for first
  readonly blob: StoredBlob
  readonly digests: readonly Digest[] // strongest first: the asked one and sha256
  readonly mentions: readonly Mention[]
  readonly version: Opening['version']
}

/** What a source said besides the bytes. Unchecked. */
export interface Mention {
  readonly from: Source
  readonly links: MetalinkLinks | undefined
  readonly signature: string | undefined // of these bytes, armored, as the metalink says that `links` led to
}

/** Bytes that are all there and agree with what they should be, while nobody has the last of them and they are not kept. */
export interface Arrived extends Omit<Filled, 'blob' | 'version'> {
  readonly path: string
  readonly size: number // bytes
}

/** May they be given and kept? @throws Fault where not: nobody gets the last byte, and nothing stays on disk */
export type Approve = (arrived: Arrived, signal: AbortSignal) => Promise<void>

/**
 * Which fill brings an artifact's bytes: that of its digest; where it has none, or one that can be forged, that of its name
 * and version, so that no other upstream's bytes are taken for these.
 */
export function fillKey(artifact: Artifact): string {
  const strong = artifact.digests.find(isStrong)
  return strong ?? [printReference(artifact.reference), ...artifact.digests, artifact.version ?? ''].join(' ')
}

export interface FillState {
  readonly what: string // the digest; where there is none yet, the name
  readonly size: number | undefined
  readonly held: number // bytes
  readonly readers: number
  readonly startedAt: number // epoch ms
  readonly phase: 'queued' | 'running' | 'committing'
}
