import type { ByteSource, Lent } from '../model/byte-source.ts'
import type { BlobId } from '../model/digest.ts'
import type { BlobFacts, BlobSignature, NameFacts, TagFacts } from '../model/facts.ts'
import type { Intervals } from '../model/intervals.ts'
import type { PieceHashes } from '../model/pieces.ts'
import type { Repository, Tag, UpstreamId } from '../model/reference.ts'

export interface StoredBlob {
  readonly id: BlobId
  readonly size: number // bytes
  readonly lastUsed: number // epoch ms
  readonly path: string // where a command may find it; absolute
}

/** Verified bytes by their sha256. What is in here is whole: nothing half-written has a name. */
export interface BlobStore {
  stat(id: BlobId): Promise<StoredBlob | undefined>
  /** The bytes, or undefined. Counts as a use. The caller disposes; a blob removed meanwhile stays readable to it. */
  open(id: BlobId): Promise<ByteSource | undefined>
  /**
   * The spool of that key: a new one, or what a crash or an earlier dispose left of it. One owner at a time.
   *
   * @throws Fault 'disk-full', 'disk-failed'
   */
  stage(key: string, size?: number): Promise<Spool>
  remove(id: BlobId): Promise<boolean>
  /**
   * Moves bytes that turned out to be wrong, or cannot be read, out of reach, to the returned path, and forgets what lies
   * beside them; undefined when they are not there. Where they cannot be moved nobody is given them either.
   *
   * @throws Fault 'disk-failed'
   */
  quarantine(id: BlobId, why?: string): Promise<string | undefined>
  /** In the order of their digests, after the one that is named. */
  list(after?: BlobId): AsyncIterable<StoredBlob>
  /** Spools on disk that nobody has open. */
  leftovers(): AsyncIterable<Leftover>
  /** Removes the spool of that key, if nobody has it open. */
  discard(key: string): Promise<boolean>
  /** Writes gathered last-use times to disk and lets go of everything. */
  close(): Promise<void>
}

export interface Leftover {
  readonly key: string
  readonly bytes: number // on disk
  readonly changedAt: number // epoch ms
}

/** What a store can give without waiting. */
export interface AtOnce {
  /** The bytes if they are in memory. Counts as a use. */
  openAtOnce(id: BlobId): ByteSource | undefined
}

/** A file that is filled at any offset and can be read where it is held. Dispose closes and keeps it; drop deletes it. */
export interface Spool extends AsyncDisposable {
  readonly path: string // for a reader in another thread
  /** Bytes safely readable now. Not empty at first when an earlier run left work behind. Changed by `write` only. */
  readonly held: Pick<Intervals, 'ranges' | 'total' | 'reach' | 'nextHeld'>
  /** The size and the source validator (ETag) that the held bytes came with, as told to `note`. */
  readonly noted: SpoolNote
  note(note: SpoolNote): void
  /** Appends the chunks at `offset`; they are held once it settles. The caller may not change them before. */
  write(offset: number, chunks: readonly Uint8Array[]): Promise<void>
  /** Reads held bytes; up to the end of the held range at `position`. Settles only when the kernel is done with `into`. */
  read(into: Uint8Array, position: number): Promise<number>
  /** Held bytes at `position` in memory that readers share, up to `end` or less; undefined when they must be read. */
  borrow(position: number, end: number): Promise<Lent | undefined>
  /** These bytes turned out to be wrong: they are no longer held. */
  forget(start: number, end: number): void
  /** Forgets what is held, on disk too: the bytes turned out to be wrong. */
  reset(): Promise<void>
  /** Durable under its name: file fsync, rename, folder fsync. Readers of the spool may go on reading. A blob already there is adopted. */
  commit(id: BlobId): Promise<StoredBlob>
  drop(): Promise<void>
  /** Another user of the open file; the file is closed when the last one has called the returned function. */
  retain(): () => void
}

export interface SpoolNote {
  readonly size?: number // bytes
  readonly validator?: string
}

/** Small facts beside the blobs, each a durable file: they outlive the records and rebuild them. */
export interface Sidecars {
  readBlob(id: BlobId): Promise<BlobFacts | undefined>
  writeBlob(id: BlobId, facts: BlobFacts): Promise<void>
  /** Undefined also where their number does not fit the size. */
  readPieces(id: BlobId, size: number): Promise<PieceHashes | undefined>
  writePieces(id: BlobId, pieces: PieceHashes): Promise<void>
  readSignature(id: BlobId): Promise<BlobSignature | undefined>
  writeSignature(id: BlobId, signature: BlobSignature): Promise<void>
  removeSignature(id: BlobId): Promise<boolean>
  writeTag(at: TagPlace, facts: TagFacts): Promise<void>
  /** Moves only `checkedAt`; cheap, not fsynced. */
  touchTag(at: TagPlace, checkedAt: number): Promise<void>
  removeTag(at: TagPlace): Promise<boolean>
  tags(): AsyncIterable<readonly [at: TagPlace, facts: TagFacts]>
  /** By `printReference`. */
  writeName(key: string, facts: NameFacts): Promise<void>
  /** Moves only `checkedAt`; cheap, not fsynced. */
  touchName(key: string, checkedAt: number): Promise<void>
  removeName(key: string): Promise<boolean>
  names(): AsyncIterable<readonly [key: string, facts: NameFacts]>
  /** Patterns of names that were pinned by command. */
  readPins(): Promise<readonly string[]>
  writePins(patterns: readonly string[]): Promise<void>
}

export interface TagPlace {
  readonly upstream: UpstreamId
  readonly repository: Repository
  readonly tag: Tag
}
