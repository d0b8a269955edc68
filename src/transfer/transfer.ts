import type { Artifact, Source } from '../model/artifact.ts'
import type { ByteSource } from '../model/byte-source.ts'
import type { Digest } from '../model/digest.ts'
import type { StoredBlob } from '../store/blob-store.ts'

/** Brings blobs in: one running fill per digest, however many ask. */
export interface Transfer {
  /** Joins the running fill of that digest, adding its sources, or starts one. @throws Fault 'overloaded' */
  fill(artifact: Artifact, sources: readonly Source[]): Fill
  running(digest: Digest): Fill | undefined
  list(): readonly FillState[]
  /** Starts nothing more, waits for what runs until the signal aborts, keeps the rest as spools. */
  close(signal: AbortSignal): Promise<void>
}

export interface Fill {
  /**
   * Settles once a status can be given: the first source has answered, and what waits whole (visible.ts) is whole.
   * Rejects with the source's fault when none would answer.
   */
  readonly opened: Promise<{ readonly size: number | undefined }>
  /** One per reader, which disposes it. Holds bytes back until they may be shown. A fill without readers ends after a while. */
  follow(): ByteSource
  readonly stored: Promise<Filled>
}

export interface Filled {
  readonly blob: StoredBlob
  readonly digests: readonly Digest[] // strongest first: the asked one and sha256
}

export interface FillState {
  readonly digest: Digest
  readonly size: number | undefined
  readonly held: number // bytes
  readonly readers: number
  readonly startedAt: number // epoch ms
  readonly phase: 'queued' | 'running' | 'committing'
}
