import type { Listed, MirrorState } from '../mirrors/mirrors.ts'
import type { Artifact } from '../model/artifact.ts'
import type { ByteSource } from '../model/byte-source.ts'
import type { BlobId, Digest } from '../model/digest.ts'
import type { PieceHashes } from '../model/pieces.ts'
import type { Ask } from '../model/principal.ts'
import type { BlobReference, ManifestReference, Reference, Repository, UpstreamId } from '../model/reference.ts'

/** How an answer came about: what RFC 9211 Cache-Status, Warning and the metrics say of it. */
export type Outcome =
  | { readonly kind: 'hit' }
  | { readonly kind: 'miss' } // the upstream was asked for this
  | { readonly kind: 'collapsed' } // it rode along with a question or fill already under way
  | { readonly kind: 'revalidated' } // the upstream confirmed what was known
  | { readonly kind: 'stale'; readonly ageMs: number; readonly why: string } // the upstream is failing or slow

/** What a HEAD needs. `size` is known here wherever any upstream can say it. */
export interface Resolved {
  readonly artifact: Artifact
  readonly outcome: Outcome
}

/** What a GET needs. Whoever opens disposes `bytes`. */
export interface Opened extends Resolved {
  readonly from: 'memory' | 'disk' | 'fill'
  readonly bytes: ByteSource
}

/** Asking for artifacts: all that the protocol routes know. */
export interface Pulls {
  /** @throws Fault 'not-found', 'denied', 'upstream-…' */
  resolve(reference: Reference, ask: Ask): Promise<Resolved>
  /** A hit that needs no waiting: in memory, and known to be this repository's. Undefined says nothing. */
  openAtOnce(reference: Reference): Opened | undefined
  /** Settles after the upstream's first headers on a miss, so that errors still get a status of their own. @throws Fault */
  open(reference: Reference, ask: Ask): Promise<Opened>
  tags(upstream: UpstreamId, repository: Repository, page: { n?: number; last?: string }, ask: Ask): Promise<TagListing>
  referrers(
    upstream: UpstreamId,
    repository: Repository,
    digest: Digest,
    filter: string | undefined,
    ask: Ask,
  ): Promise<ReferrersListing>
  /** Names of the repositories something is held of, ascending, after `last`; as clients address them. */
  repositories(page: { n?: number; last?: string }): Promise<{ names: readonly string[]; more: boolean }>
}

export interface TagListing {
  readonly tags: readonly string[]
  readonly next: { readonly n: number | undefined; readonly last: string } | undefined
  readonly outcome: Outcome
}

export interface ReferrersListing {
  readonly document: Uint8Array
  readonly mediaType: string
  readonly isFiltered: boolean
  readonly outcome: Outcome
}

/** Where the bytes of one file can be had besides here, and how they are checked: what a metalink says of it. */
export interface LinkedFile {
  readonly name: string // below the folder of the download
  readonly id: BlobId
  readonly digests: readonly Digest[] // sha256 first
  readonly size: number // bytes
  readonly pieces: PieceHashes | undefined
  readonly knownAt: number // epoch ms since it is here; 0 while it is not
  readonly places: readonly Listed[] // best first
}

/** The files that make an image: an OCI image layout, or the one file of a SIF. */
export interface ImageLinks {
  readonly name: string // of the document, without its ending
  readonly digest: Digest // what the reference means now
  readonly repository: Repository
  readonly version: string | undefined // the tag
  readonly files: readonly LinkedFile[]
  readonly platforms: readonly string[] // there are, where an index was asked for
}

/** Where else the bytes are: what metalinks and Link fields tell. */
export interface Linking {
  /** Places besides us that hold these bytes, as far as is known; asks nobody. */
  places(reference: BlobReference, size: number): readonly Listed[]
  /** A repository that has the digest. @throws Fault 'not-found' */
  home(digest: Digest): Promise<BlobReference>
  /** The digest a reference means now. @throws Fault 'not-found', 'upstream-…' */
  meaning(reference: ManifestReference, ask: Ask): Promise<Digest>
  /** @throws Fault 'not-found', 'upstream-…' */
  fileLinks(reference: BlobReference, ask: Ask): Promise<LinkedFile>
  /** `platform`: os/arch[/variant], or `all` for the index with everything below it. @throws Fault */
  imageLinks(reference: ManifestReference, platform: string | undefined, ask: Ask): Promise<ImageLinks>
  /** Moves whenever the same question might be answered with other places or pieces than before. */
  readonly linksVersion: string
}

/** Looking after what is held: the verbs of the command line and the admin API. Everything is plain JSON-shaped data. */
export interface Keeping {
  images(pattern?: string): Promise<readonly ImageSummary[]>
  inspect(what: Target): Promise<Inspection>
  /** Brings the artifact and everything it names in, if missing. The path is of the blob (blob) or manifest (image). */
  get(what: Target, ask: Ask): Promise<{ id: BlobId; path: string; size: number; mediaType: string }>
  /** Forgets the name, and its blobs where nothing else names them. */
  remove(what: Target): Promise<{ removed: readonly string[]; freed: number }>
  verify(what: Target | undefined, ask: Ask): Promise<Verification>
  gc(): Promise<{ removed: readonly string[]; freed: number }>
  /**
   * The metalink of a blob or an image, and the name of its file without the ending. `own`: our URL as the reader reaches
   * it, if another than usual; `platform`: see `imageLinks`.
   */
  metalink(what: Target, options: { own?: string; platform?: string }, ask: Ask): Promise<{ name: string; text: string }>
  /** Every mirror, in the order of asking. */
  mirrors(): Promise<readonly MirrorState[]>
}

/** What an operator named: an image or blob reference, or a bare digest. */
export type Target = ManifestReference | BlobReference | { readonly kind: 'digest'; readonly digest: Digest }

export interface ImageSummary {
  readonly upstream: string
  readonly repository: string
  readonly pointer: string // tag or digest
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number // bytes held here, manifest and everything it names, each once
  readonly missing: number // blobs named but not held
  readonly createdAt: number // epoch ms
  readonly lastUsed: number // epoch ms
  readonly checkedAt: number | undefined // epoch ms; tags only
}

export interface Inspection {
  readonly digest: Digest
  readonly mediaType: string | undefined
  readonly size: number
  readonly path: string | undefined // undefined while not held
  readonly names: readonly string[]
  readonly aliases: readonly Digest[]
  readonly createdAt: number | undefined
  readonly lastUsed: number | undefined
  readonly freshness: readonly { readonly name: string; readonly state: 'fresh' | 'stale' | 'gone'; readonly checkedAt: number }[]
  readonly parts: readonly {
    readonly digest: Digest
    readonly mediaType: string
    readonly size: number
    readonly isHeld: boolean
    readonly platform: string | undefined
  }[]
}

export interface Verification {
  readonly checked: number
  readonly bytes: number
  /** Moved out of the store, so that the next ask fetches them again. */
  readonly bad: readonly { readonly digest: Digest; readonly actual: string; readonly movedTo: string }[]
}

export type Catalog = Pulls & Keeping & Linking
