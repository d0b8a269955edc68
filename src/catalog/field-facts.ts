import { type BlobId, type Digest, digestOf } from '../model/digest.ts'
import { isFault } from '../model/fault.ts'
import { pieceAt, pieceHashBytes } from '../model/pieces.ts'
import type { UpstreamId } from '../model/reference.ts'
import type { Policy } from './answers.ts'
import type { Linking } from './catalog.ts'
import type { Knowledge } from './knowledge.ts'

export interface FieldFactsDeps {
  readonly knowledge: Pick<Knowledge, 'idOf' | 'blob' | 'pieces' | 'member'>
  readonly policyOf: (id: UpstreamId) => Policy
}

/** What is known of a blob besides its bytes, for the fields of an answer. Nothing is computed or asked for it. */
export function createFieldFacts({
  knowledge,
  policyOf,
}: FieldFactsDeps): Pick<Linking, 'digests' | 'pieceDigest' | 'documented'> {
  async function hashesOf(id: BlobId, size: number): Promise<Uint8Array | undefined> {
    try {
      return (await knowledge.pieces({ id, size }))?.hashes
    } catch (error) {
      if (isFault(error, 'disk-failed', 'too-large')) return undefined // the bytes themselves may be well
      throw error
    }
  }

  return {
    async digests(digest) {
      const id = await knowledge.idOf(digest)
      const facts = id && (await knowledge.blob(id))
      return [...new Set<Digest>([...(id ? [id] : []), digest, ...(facts?.aliases ?? [])])]
    },
    async pieceDigest(digest, size, range) {
      const piece = pieceAt(range, size)
      const id = await knowledge.idOf(digest)
      if (piece === undefined || !id) return undefined
      const hash = (await hashesOf(id, size))?.subarray(piece * pieceHashBytes, (piece + 1) * pieceHashBytes)
      return hash && digestOf('sha256', Buffer.from(hash).toString('hex'))
    },
    async documented(reference) {
      if (policyOf(reference.upstream).isOffline) return undefined
      const [id, member] = await Promise.all([knowledge.idOf(reference.digest), knowledge.member(reference, reference.digest)])
      return member?.size === undefined ? undefined : id
    },
  }
}
