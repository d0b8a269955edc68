import type { ForeignFile, ForeignMetalink } from '../formats/metalink-document.ts'
import type { MetalinkLinks } from '../formats/metalink-headers.ts'
import type { Artifact, Resolution, Source, Validators } from '../model/artifact.ts'
import type { Digest } from '../model/digest.ts'
import type { NameFacts, Told } from '../model/facts.ts'
import type { PieceHashes } from '../model/pieces.ts'
import type { Ask, Credentials } from '../model/principal.ts'
import type { BlobReference, ManifestReference, NameReference, Repository, UpstreamId } from '../model/reference.ts'

/** Asks one registry of manifests and blobs. Knows nothing of what is stored. */
export interface Upstream {
  readonly id: UpstreamId
  /** No credentials are configured: whatever it gives, it gives to anybody. */
  readonly isPublic: boolean
  /**
   * What a reference means there now. A manifest comes with its raw bytes, already checked against its digest.
   * A blob costs one HEAD (where that gives no length, a GET of the first byte) and brings no body.
   * `unchanged` is answered only where `known` was given and still holds.
   *
   * @throws Fault 'upstream-…', 'outbound-blocked', 'too-large', 'corrupt'
   */
  resolve(reference: ManifestReference | BlobReference, ask: Ask, known?: Artifact): Promise<Resolution>
  /** Where the bytes of a blob are asked for there, as who shows these credentials; nothing is asked yet. */
  sourceOf(reference: BlobReference, shown?: Credentials): Source
}

/** Reads bytes of one source. Tokens, redirects and the checks of partial answers live behind it. */
export interface SourceReader {
  /**
   * Without a range the whole; with one, from `start` to `end` (no end: to the last byte). A place that ignores
   * the range answers 200 with the whole. `validator` (as an answer gave it) makes
   * the answer the whole when the bytes changed.
   * `sent` is called when the request goes out, which may be late: only so many bodies come from one place at once.
   * The body must be read to its end or disposed of by aborting the signal; a chunk's bytes are good until the next one
   * is asked for.
   *
   * @throws Fault 'upstream-…', 'outbound-blocked', 'source-changed' (another size, range or validator than asked),
   *   'not-found'; the body throws 'source-cut', 'upstream-timeout'
   */
  read(
    source: Source,
    want: { range?: { start: number; end?: number }; validator?: string; sent?: () => void },
    signal: AbortSignal,
  ): Promise<SourceBody>
}

export interface SourceBody {
  readonly status: 200 | 206
  /** Which bytes these are; `end` is unknown where the upstream gave no length. */
  readonly range: { readonly start: number; readonly end: number | undefined }
  readonly total: number | undefined // bytes of the whole
  /** By what a part of the same version may be asked for, if by anything. */
  readonly validator: string | undefined
  /** All that it says of its version, which may be too little to ask by. */
  readonly validators?: Validators
  /** Where else it may be had, as the answer says. Unchecked, and only of places that are not themselves learnt this way. */
  readonly links?: MetalinkLinks
  readonly body: AsyncIterable<Uint8Array>
}

/**
 * Follows what an answer said of other places: reads the metalink it points to. Sources are checked by the rules of the
 * network door when they are asked; pieces fit the size and are otherwise nobody's word.
 *
 * @throws Fault 'upstream-…', 'outbound-blocked', 'upstream-invalid'
 */
export type Discover = (
  digest: Digest,
  size: number,
  links: MetalinkLinks,
  from: Source,
  signal: AbortSignal,
) => Promise<{
  readonly pieces: PieceHashes | undefined
  readonly sources: readonly Source[]
  readonly signature?: string // armored; of these bytes, as the metalink says
}>

/**
 * Looks for the OpenPGP signature that whoever published some bytes made of them. What is found is somebody's word: it
 * need not even be a signature. Only places that may be dialled are asked, and at most 64 KiB of an answer are taken.
 */
export interface SignatureFinder {
  /** What a place points to: it is asked for the first byte, and what its answer names is fetched. @throws Fault 'upstream-…', 'not-found' */
  at(source: Source, wanted: WantedSignature, signal: AbortSignal): Promise<readonly FoundSignature[]>
  /** What an answer points to by `Link`. @throws Fault 'upstream-…' @see RFC 6249 §4.2 */
  linked(links: MetalinkLinks, signal: AbortSignal): Promise<readonly FoundSignature[]>
  /** What the metalink says that an answer points to. @throws Fault 'upstream-…' */
  inMetalink(links: MetalinkLinks, wanted: WantedSignature, signal: AbortSignal): Promise<readonly FoundSignature[]>
  /** Of a plain file: at its URL with `.asc` after it, else with `.sig`. @throws Fault 'upstream-…' */
  beside(source: Source, signal: AbortSignal): Promise<readonly FoundSignature[]>
}

export interface WantedSignature {
  readonly digest: Digest | undefined
  readonly size: number | undefined // bytes
}

export interface FoundSignature {
  readonly bytes: Uint8Array
  readonly at: string // a URL for people
}

export type { MetalinkLinks }

/** A page of names, and what to pass as `last` for the next one. */
export interface TagPage {
  readonly tags: readonly string[]
  readonly next: { readonly n: number | undefined; readonly last: string } | undefined
}

/** Lists, for upstreams that have them. Undefined: the upstream says there is no such repository. */
export interface Listings {
  tags(repository: Repository, page: { n?: number; last?: string }, ask: Ask): Promise<TagPage | undefined>
  /** The raw index of what refers to `digest`; undefined where the upstream has no such call (404), so that clients use the tag scheme. */
  referrers(repository: Repository, digest: Digest, filter: string | undefined, ask: Ask): Promise<Referrers | undefined>
}

export interface Referrers {
  readonly document: Uint8Array
  readonly mediaType: string
  readonly isFiltered: boolean // the upstream said it applied the filter
}

export type OciUpstream = Upstream & SourceReader & Listings

/** Asks one place that gives whole files by name. Knows nothing of what is stored. */
export interface NamedUpstream extends SourceReader {
  readonly id: UpstreamId
  readonly isPublic: boolean
  /**
   * What a name means there now. `unchanged` is answered only where `known` was given and still holds.
   *
   * @throws Fault 'upstream-…', 'outbound-blocked', 'too-large'
   */
  resolve(reference: NameReference, ask: Ask, known?: NameFacts): Promise<NameAnswer>
  /** Where the bytes are asked for, best first; nothing is asked yet. `wanted`: the digest of them, where it is known. */
  sourcesOf(facts: NameFacts, wanted?: Digest, shown?: Credentials): readonly Source[]
}

/** A repository as such: what lists are of. */
export interface RepositoryReference {
  readonly kind: 'repository'
  readonly upstream: UpstreamId
  readonly repository: Repository
}

/** Says whether whoever asks is let in: one small question. */
export interface Admitting<Wanted> {
  /** False: there is no such thing, for who asks. @throws Fault 'upstream-…' */
  admits(wanted: Wanted, ask: Ask): Promise<boolean>
}

/** Those of upstreams that are asked as whoever asks us; undefined for others. */
export interface AdmittingOf {
  registry(id: UpstreamId): Admitting<RegistryWanted> | undefined
  named(id: UpstreamId): Admitting<NameReference | RepositoryReference> | undefined
}

export type RegistryWanted = ManifestReference | BlobReference | RepositoryReference

export type NameAnswer =
  | { readonly outcome: 'found'; readonly told: Told }
  | { readonly outcome: 'unchanged' }
  | { readonly outcome: 'missing' }

/** Gives small documents besides, which are passed on: what a search finds, keys. */
export interface Lookups {
  /**
   * @param question path and query below its URL
   * @returns undefined where it has no such thing
   * @throws Fault 'upstream-…', 'outbound-blocked', 'too-large'
   */
  lookup(question: string, signal: AbortSignal, shown?: Credentials): Promise<Found | undefined>
}

export interface Found {
  readonly body: Uint8Array
  readonly mediaType: string
  readonly nextPage?: string // a token that asks for what comes after it
}

/** What of an upstream gives such documents, if anything does. */
export type LookupsOf = (id: UpstreamId, about: 'library' | 'keys' | 'shub') => Lookups | undefined

/** Finds the registry of that name. @throws Fault 'upstream-unknown' also where it is of another kind */
export type Upstreams = (id: UpstreamId) => OciUpstream

/** Finds who lists the tags of an upstream: the registry, or one of static pages. @throws Fault 'upstream-unknown' */
export type TagLists = (id: UpstreamId) => Pick<Listings, 'tags'>

/** The upstream of that name, if it is one that gives whole files. */
export type NamedUpstreams = (id: UpstreamId) => NamedUpstream | undefined

/** Metalinks that somebody names, and the places in them. */
export interface Described {
  /** @throws Fault 'outbound-blocked', 'upstream-…', 'not-found', 'too-large' */
  read(url: URL, signal: AbortSignal): Promise<ForeignMetalink>
  /** Those of its places that may be asked; they come with the hashes of its pieces. */
  sourcesOf(file: ForeignFile, via: UpstreamId): readonly Source[]
}
