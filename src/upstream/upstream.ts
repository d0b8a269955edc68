import type { MetalinkLinks } from '../formats/metalink-headers.ts'
import type { Artifact, Resolution, Source } from '../model/artifact.ts'
import type { Digest } from '../model/digest.ts'
import type { PieceHashes } from '../model/pieces.ts'
import type { Ask } from '../model/principal.ts'
import type { BlobReference, Reference, Repository, UpstreamId } from '../model/reference.ts'

/** Asks one registry. Knows nothing of what is stored. */
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
  resolve(reference: Reference, ask: Ask, known?: Artifact): Promise<Resolution>
  /** Where the bytes of a blob are asked for there; nothing is asked yet. */
  sourceOf(reference: BlobReference): Source
}

/** Reads bytes of one source. Tokens, redirects and the checks of partial answers live behind it. */
export interface SourceReader {
  /**
   * Without a range the whole; with one, from `start` to `end` (no end: to the last byte). A place that ignores
   * the range answers 200 with the whole. `validator` (a strong ETag) makes a resumed read fail when the bytes changed.
   * The body must be read to its end or disposed of by aborting the signal; a chunk's bytes are good until the next one
   * is asked for.
   *
   * @throws Fault 'upstream-…', 'outbound-blocked', 'source-changed' (another size, range or validator than asked),
   *   'not-found'; the body throws 'source-cut', 'upstream-timeout'
   */
  read(
    source: Source,
    want: { range?: { start: number; end?: number }; validator?: string },
    signal: AbortSignal,
  ): Promise<SourceBody>
}

export interface SourceBody {
  readonly status: 200 | 206
  /** Which bytes these are; `end` is unknown where the upstream gave no length. */
  readonly range: { readonly start: number; readonly end: number | undefined }
  readonly total: number | undefined // bytes of the whole
  readonly validator: string | undefined
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
) => Promise<{ readonly pieces: PieceHashes | undefined; readonly sources: readonly Source[] }>

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

/** Finds the upstream of that name; the settings have checked that there is one. */
export type Upstreams = (id: UpstreamId) => OciUpstream
