import type { BlobFacts, MemberFacts, NameFacts, TagFacts } from '../model/facts.ts'
import type { Table } from '../model/table.ts'

/** An index of what the store holds. It can be deleted: sidecars and manifests rebuild it. */
export interface Records extends AsyncDisposable {
  /** By `printReference` of a manifest reference with a tag. */
  readonly tags: Table<TagFacts>
  /** By `printReference` of an image that is one file, or of a plain file. */
  readonly names: Table<NameFacts>
  /** By digest (`sha256:…`). */
  readonly blobs: Table<BlobFacts & { readonly size: number }>
  /** By `upstream/repository@digest`: that the repository has the digest. */
  readonly members: Table<MemberFacts>
  /** By digest: a repository (`upstream/repository`) that has it; the last one heard of. */
  readonly homes: Table<string>
  /** By digest of another algorithm: the BlobId of the same bytes. */
  readonly aliases: Table<string>
  /** True when this index was found empty or unfinished, and must be rebuilt. */
  readonly isNew: boolean
  /** Marks the index as complete: the next start trusts it. */
  settled(): Promise<void>
}
