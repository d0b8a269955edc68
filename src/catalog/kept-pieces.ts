import type { BlobId } from '../model/digest.ts'
import type { PieceHashes } from '../model/pieces.ts'
import type { Sidecars, StoredBlob } from '../store/blob-store.ts'
import { createMemoryCache } from '../system/memory-cache.ts'

const bytesKept = 16 * 1024 * 1024 // the hashes of half a million pieces
const entryOverhead = 256 // bytes, about

/** Hashes of pieces, in files, through a bounded memory. That there are none is remembered too. */
export function createKeptPieces(sidecars: Pick<Sidecars, 'readPieces' | 'writePieces'>) {
  const memory = createMemoryCache<BlobId, { readonly known: PieceHashes | undefined }>({
    maxBytes: bytesKept,
    sizeOf: ({ known }) => entryOverhead + (known?.hashes.length ?? 0),
  })

  return {
    async of({ id, size }: Pick<StoredBlob, 'id' | 'size'>): Promise<PieceHashes | undefined> {
      const kept = memory.get(id)
      if (kept) return kept.known
      const known = await sidecars.readPieces(id, size)
      if (!memory.get(id)) memory.set(id, { known }) // they may have been added meanwhile
      return memory.get(id)?.known ?? known
    },
    async add(id: BlobId, known: PieceHashes): Promise<void> {
      await sidecars.writePieces(id, known)
      memory.set(id, { known })
    },
    forget: (id: BlobId) => void memory.delete(id),
  }
}
