import type { Digest } from '../model/digest.ts'

export const metalink4Type = 'application/metalink4+xml'
export const metalink3Type = 'application/metalink+xml'
export const pgpSignatureType = 'application/pgp-signature'

/** A metalink as this house writes it. @see RFC 5854 §4.1.2 */
export interface MetalinkDocument {
  readonly generator: string // name/version
  readonly origin: string // where this document itself is found
  readonly published: number // epoch ms, printed in whole seconds
  readonly updated: number // likewise; moves only when hashes or places do
  readonly files: readonly MetalinkFile[]
}

export interface MetalinkFile {
  readonly name: string // see metalink-names.ts
  readonly size: number // bytes
  readonly digests: readonly Digest[] // sha256 first
  readonly pieces?: MetalinkPieces
  readonly urls: readonly MetalinkUrl[] // best first
  readonly identity?: string // the repository
  readonly version?: string // the tag
  readonly signature?: string // an armored detached OpenPGP signature of the file's bytes
}

/** A hash for each stretch of `length` bytes; the last may be shorter. */
export interface MetalinkPieces {
  readonly length: number // bytes
  readonly algorithm: 'sha256'
  readonly hashes: Uint8Array // 32 raw bytes a piece
}

export interface MetalinkUrl {
  readonly url: string
  readonly priority: number // 1 is best
  readonly country?: string // ISO 3166 alpha-2, lower case
}

/**
 * What somebody else's document says, checked for shape and nothing more: its hashes and pieces are hints, its URLs are
 * absolute http(s) without user or password but not yet allowed to be dialled, its names must never become paths.
 */
export interface ForeignMetalink extends Partial<Omit<MetalinkDocument, 'files'>> {
  readonly files: readonly ForeignFile[]
  /** What was left out and why, for a log: a sentence each, no URLs. */
  readonly ignored: readonly string[]
}

export interface ForeignFile extends Omit<MetalinkFile, 'size'> {
  readonly size?: number // bytes
}

/** The priority of a place that has none. @see RFC 5854 §4.2.16.1 */
export const lowestPriority = 999_999
