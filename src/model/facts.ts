import type { Validators } from './artifact.ts'
import type { BlobId, Digest } from './digest.ts'
import type { NameReference } from './reference.ts'

/** What a blob's bytes do not say of themselves. Kept beside the blob on disk; records are an index of it. */
export interface BlobFacts {
  readonly mediaType: string | undefined
  /** `upstream/repository` of each place it was served from under its own name; manifests vouch for their children. */
  readonly repositories: readonly string[]
  /** Came from an upstream that asks for no credentials, so any repository of such an upstream may be answered with it. */
  readonly isPublic: boolean
  readonly aliases: readonly Digest[] // other digests of the same bytes
  readonly createdAt: number // epoch ms
  readonly size?: number // bytes, as they were when it was stored; older files do not say it
}

/** An OpenPGP signature of a blob's bytes. */
export interface BlobSignature {
  readonly armored: string // detached; nothing but signatures of bytes in it, and no comments
  readonly by: 'site' | 'publisher'
  /** Fingerprints: of our key that made it; of a publisher's, those trusted keys by which these bytes were seen to be signed well. */
  readonly keys: readonly string[]
  readonly keptAt: number // epoch ms
}

/** What a tag meant when its upstream was last asked. */
export interface TagFacts {
  readonly digest: Digest
  readonly mediaType: string
  readonly size: number // bytes of the manifest
  readonly checkedAt: number // epoch ms of the upstream answer that last confirmed it
}

/** That a repository has a digest, and what a manifest said of it. */
export interface MemberFacts {
  readonly size: number | undefined // bytes
  readonly mediaType: string | undefined
  /** Other places where the manifest says that it is, which nobody has asked yet. */
  readonly urls?: readonly string[]
  /** What it was asked for as, where the upstream gives bytes by name only: a key of the names. */
  readonly name?: string
}

/** What an upstream said of a name that is not a digest: an image that is one file, or a plain file. */
export interface Told {
  /** The digest it claims for the bytes: sha256, sha512, or an md5, which vouches for nobody else's bytes. */
  readonly claimed: Digest | undefined
  readonly size: number | undefined // bytes, where its word is to be relied on
  readonly mediaType: string
  readonly validators: Validators
  /** Differs wherever the bytes may differ. */
  readonly version: string
  /** Where it says they are, when not where it was asked. Nothing that is secret or soon expires. */
  readonly urls: readonly string[]
  /** The rest of its answer, as far as it is told on; small, and JSON. */
  readonly about: Readonly<Record<string, unknown>>
}

/** What a name meant when its upstream was last asked. */
export interface NameFacts extends Told {
  readonly reference: NameReference
  /** The sha256 of the bytes of this version, once they were here. */
  readonly id: BlobId | undefined
  readonly checkedAt: number // epoch ms of the upstream answer that last confirmed it
}
