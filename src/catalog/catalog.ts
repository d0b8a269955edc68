import type { ShubFindings } from '../formats/shub-findings.ts'
import type { ShubQuery } from '../formats/shub-query.ts'
import type { Listed, MirrorState } from '../mirrors/mirrors.ts'
import type { Artifact } from '../model/artifact.ts'
import type { ByteSource } from '../model/byte-source.ts'
import type { BlobId, Digest } from '../model/digest.ts'
import type { BlobSignature, NameFacts } from '../model/facts.ts'
import type { PieceHashes } from '../model/pieces.ts'
import type { Ask, Login } from '../model/principal.ts'
import type { ByteRange } from '../model/range.ts'
import type {
  BlobReference,
  ImageReference,
  ManifestReference,
  NameReference,
  Reference,
  Repository,
  UpstreamId,
} from '../model/reference.ts'
import type { RepositoryReference } from '../upstream/upstream.ts'

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
  /** A signature of the bytes is held, under this name. */
  readonly signedAs?: BlobId
}

/** What a GET needs. Whoever opens disposes `bytes`. */
export interface Opened extends Resolved {
  readonly from: 'memory' | 'disk' | 'fill'
  readonly bytes: ByteSource
  /** Of a blob that is being fetched: settles once it is kept. Rejects with why it is not, also where its bytes are right. */
  readonly stored?: Promise<unknown>
}

/** Asking for artifacts: all that the protocol routes know. */
export interface Pulls {
  /** @throws Fault 'not-found', 'denied', 'upstream-…' */
  resolve(reference: Reference, ask: Ask): Promise<Resolved>
  /** A hit that needs no waiting: in memory, and known to be this repository's. Undefined says nothing. */
  openAtOnce(reference: Reference): Opened | undefined
  /** Moves whenever something that `openAtOnce` gave is given so no more. */
  readonly hitsVersion: number
  /** Settles after the upstream's first headers on a miss, so that errors still get a status of their own. @throws Fault */
  open(reference: Reference, ask: Ask): Promise<Opened>
  /** What the upstream says of a name: for answers in a protocol's own documents. @throws Fault 'not-found', 'upstream-…' */
  told(reference: NameReference, ask: Ask): Promise<{ readonly facts: NameFacts; readonly outcome: Outcome }>
  /**
   * The same with its sha256, for protocols that must tell one: where nobody vouches for any, it waits for the bytes to be
   * brought in. @throws Fault 'not-found', 'upstream-…', 'all-sources-failed'
   */
  hashed(reference: NameReference, ask: Ask): Promise<Hashed>
  /** The bytes that a name was said to mean, where they are here. */
  held(facts: NameFacts): Promise<{ readonly id: BlobId; readonly size: number } | undefined>
  /** What a shub registry finds. @throws Fault 'upstream-refused' */
  searchShub(
    upstream: UpstreamId,
    query: ShubQuery,
    ask: Ask,
  ): Promise<{ readonly findings: ShubFindings; readonly outcome: Outcome }>
  /** The one name of an image held that is this one but for capitals. */
  spelling(reference: ImageReference): Promise<ImageReference | undefined>
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

export interface Hashed {
  readonly facts: NameFacts
  readonly outcome: Outcome
  readonly id: BlobId
  readonly size: number | undefined // bytes, where they are here
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

/** Upstreams that say themselves who may read what: each of whoever asks here. */
export interface Admission {
  /**
   * May whoever asks read this, or the lists of this repository? Remembered for about a minute; longer while its upstream
   * cannot be asked. Only for upstreams of that kind.
   *
   * @throws Fault 'upstream-refused', 'not-found', 'rights-unknown', 'upstream-…'
   */
  admit(wanted: Reference | RepositoryReference, ask: Ask): Promise<void>
  /** The upstreams that took this lately. */
  acceptedBy(login: Login): Promise<readonly UpstreamId[]>
}

export type { RepositoryReference }

/** What is passed on of an upstream besides bytes and their names. */
export interface Passing {
  /**
   * A small document, remembered for a while. `question`: path and query below the URL of what is asked.
   *
   * @returns `found` undefined where there is no such thing
   * @throws Fault 'upstream-…', 'upstream-unknown' where nothing of that upstream gives any
   */
  lookup(
    from: { readonly upstream: UpstreamId; readonly about: 'library' | 'keys' | 'shub' },
    question: string,
    ask: Ask,
  ): Promise<Lookup>
  /** The images of it whose bytes are here. */
  heldNames(upstream: UpstreamId): Promise<readonly HeldName[]>
}

export interface Lookup {
  readonly found: { readonly body: Uint8Array; readonly mediaType: string; readonly nextPage?: string } | undefined
  readonly outcome: Outcome
}

export interface HeldName {
  readonly facts: NameFacts
  readonly id: BlobId
  readonly size: number // bytes
}

/** Where the bytes of one file can be had besides here, and how they are checked: what a metalink says of it. */
export interface LinkedFile {
  readonly name: string // below the folder of the download
  readonly id: BlobId
  readonly digests: readonly Digest[] // sha256 first
  readonly size: number // bytes
  readonly pieces: PieceHashes | undefined
  readonly signature: BlobSignature | undefined
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
  /** Every digest known of the bytes that have this one, sha256 first. */
  digests(digest: Digest): Promise<readonly Digest[]>
  /** The hash of what that range of a held blob holds, where it is exactly one piece with a known hash. */
  pieceDigest(digest: Digest, size: number, range: ByteRange): Promise<Digest | undefined>
  /** The sha256 of a blob that its repository is known to have, and whose metalink can be written without asking for it. */
  documented(reference: BlobReference): Promise<BlobId | undefined>
  /** The repositories known to have the digest, each with the name that it has it by; none where it is not known. */
  homes(digest: Digest): Promise<readonly BlobReference[]>
  /** The digest a reference means now; of a name, once that is known. @throws Fault 'not-found', 'upstream-…' */
  meaning(reference: ManifestReference | NameReference, ask: Ask): Promise<Digest>
  /** @throws Fault 'not-found', 'upstream-…' */
  fileLinks(reference: BlobReference | NameReference, ask: Ask): Promise<LinkedFile>
  /** `platform`: os/arch[/variant], or `all` for the index with everything below it. @throws Fault */
  imageLinks(reference: ManifestReference, platform: string | undefined, ask: Ask): Promise<ImageLinks>
  /** An armored OpenPGP signature of the bytes. @throws Fault 'not-found' where none is held */
  signature(reference: BlobReference, ask: Ask): Promise<string>
  /** Is there a key of the site? */
  readonly isSigning: boolean
  /** A signature of a document by the key of the site. @throws Fault 'not-found' where there is none */
  sign(document: Uint8Array): Promise<string>
  /** Moves whenever the same question might be answered with other places, pieces or signatures than before. */
  readonly linksVersion: string
}

/** Looking after what is held: the verbs of the command line and the admin API. Everything is plain JSON-shaped data. */
export interface Keeping {
  images(pattern?: string): Promise<readonly ImageSummary[]>
  inspect(what: Target): Promise<Inspection>
  /** Brings the artifact and everything it names in, if missing. The path is of the blob (blob) or manifest (image). */
  get(what: Target, ask: Ask): Promise<{ id: BlobId; path: string; size: number; mediaType: string }>
  /** The same for the files that a metalink describes, in its order. */
  getFiles(what: DocumentSource, ask: Ask): Promise<readonly GotFile[]>
  /** Forgets the name, and its blobs where nothing else names them. */
  remove(what: Target): Promise<{ removed: readonly string[]; freed: number }>
  verify(what: Target | undefined, ask: Ask): Promise<Verification>
  gc(): Promise<{ removed: readonly string[]; freed: number }>
  /** What it leads to stays whatever room is needed; false where it was pinned already. It need not be held yet. */
  pin(what: Target): Promise<boolean>
  unpin(what: Target): Promise<boolean>
  /**
   * The metalink of a blob or an image, and the name of its file without the ending. `own`: our URL as the reader reaches
   * it, if another than usual; `platform`: see `imageLinks`; `sign`: with a signature of exactly this text.
   */
  metalink(what: Target, options: MetalinkOptions, ask: Ask): Promise<PrintedMetalink>
  /** Every mirror, in the order of asking. */
  mirrors(): Promise<readonly MirrorState[]>
}

export interface MetalinkOptions {
  readonly own?: string
  readonly platform?: string
  readonly sign?: boolean
}

export interface PrintedMetalink {
  readonly name: string
  readonly text: string
  readonly url: string // where it is found
  readonly signature?: string // armored
}

/** What an operator named: an image or blob reference, or a bare digest. */
export type Target = ManifestReference | BlobReference | NameReference | { readonly kind: 'digest'; readonly digest: Digest }

/** A metalink: where it is, or its bytes, as somebody has them already from a place of that name. */
export type DocumentSource = { readonly url: string } | { readonly bytes: Uint8Array; readonly from: string }

export interface GotFile {
  readonly name: string // below the folder of the download, as the metalink says; it leads nowhere else
  readonly id: BlobId
  readonly path: string
  readonly size: number // bytes
  readonly mediaType: string
}

export interface ImageSummary {
  /** image: of an upstream that gives images as one file; file: a plain one. */
  readonly kind: 'oci' | 'image' | 'file'
  readonly name: string // all of it, as commands take it
  readonly upstream: string
  readonly repository: string // or the name of an image, or the path of a file
  readonly pointer: string | undefined // tag or digest; a file has none
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number // bytes held here, manifest and everything it names, each once
  readonly missing: number // blobs named but not held
  readonly isPinned: boolean
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
  readonly freshness: readonly {
    readonly name: string
    readonly kind: 'tag' | 'image' | 'file'
    readonly state: 'fresh' | 'stale' | 'gone'
    readonly checkedAt: number // epoch ms
    readonly claimed: Digest | undefined // what its upstream said that the bytes are
    readonly digestFrom: string | undefined // where it said so, if not in its answer about the name
  }[]
  /** weakly: its upstreams tell only digests that others can forge; not: they tell none. */
  readonly vouched: 'strongly' | 'weakly' | 'not'
  /** What is in it, where it is a SIF file, or an image that holds one. */
  readonly sif: SifFacts | undefined
  readonly parts: readonly {
    readonly digest: Digest
    readonly mediaType: string
    readonly size: number
    readonly isHeld: boolean
    readonly platform: string | undefined
  }[]
}

/** What a stored SIF file says of itself; nobody has checked its signatures. */
export interface SifFacts {
  readonly arch: string | undefined // of its primary partition, as Go names it
  readonly createdAt: number | undefined // epoch ms
  readonly isSigned: boolean
  readonly fingerprints: readonly string[] // of the keys that claim to have signed it
  readonly isEncrypted: boolean
  readonly partitions: readonly {
    readonly id: number
    readonly role: string | undefined
    readonly fileSystem: string | undefined
    readonly arch: string | undefined
    readonly size: number // bytes
  }[]
}

export interface Verification {
  readonly checked: number
  readonly bytes: number
  /** Moved out of the store, so that the next ask fetches them again. */
  readonly bad: readonly { readonly digest: Digest; readonly actual: string; readonly movedTo: string }[]
}

export type Catalog = Pulls & Passing & Admission & Keeping & Linking

/** All that requests have to do with. */
export type Serving = Pulls & Passing & Admission & Linking & Pick<Keeping, 'metalink'>
