import type { Digest } from './digest.ts'

/** What a blob's bytes do not say of themselves. Kept beside the blob on disk; records are an index of it. */
export interface BlobFacts {
  readonly mediaType: string | undefined
  /** `upstream/repository` of each place it was served from under its own name; manifests vouch for their children. */
  readonly repositories: readonly string[]
  /** Came from an upstream that asks for no credentials, so any repository of such an upstream may be answered with it. */
  readonly isPublic: boolean
  readonly aliases: readonly Digest[] // other digests of the same bytes
  readonly createdAt: number // epoch ms
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
}
