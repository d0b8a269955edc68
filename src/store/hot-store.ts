import { createHash } from 'node:crypto'
import { type ByteSource, memorySource } from '../model/byte-source.ts'
import { type BlobId, hexOf } from '../model/digest.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import type { AtOnce, BlobStore, StoredBlob } from './blob-store.ts'

export interface HotStoreDeps {
  /** The store behind; `touch` tells it of uses that it does not see. */
  readonly store: BlobStore & { touch(id: BlobId): void }
  readonly now: () => number
  readonly maxBytes: number // of memory, all blobs together
  readonly maxBlobBytes?: number // larger blobs are left to the store behind
}

interface Hot {
  readonly source: ReturnType<typeof memorySource> // one for all readers: it keeps nothing of any
  readonly stored: StoredBlob
  lastUsed: number // epoch ms
}

/** `forget`: the store behind has let it go. */
export type HotStore = BlobStore & AtOnce & { forget(id: BlobId): void }

const entryOverhead = 512 // bytes, about what an entry takes besides the blob

/**
 * Small blobs in memory, over another store. A hit asks the store behind nothing. What is read into memory is looked at once:
 * it is given to many.
 */
export function createHotStore({ store, now, maxBytes, maxBlobBytes = 1024 * 1024 }: HotStoreDeps): HotStore {
  const cache = createMemoryCache<BlobId, Hot>({ maxBytes, sizeOf: ({ source }) => source.bytes.length + entryOverhead })
  const loading = new Map<BlobId, Promise<Hot | undefined>>()
  const limit = Math.min(maxBlobBytes, maxBytes - entryOverhead)

  /** Those who ask while it is read wait for the one reading. */
  function load(id: BlobId, stored: StoredBlob): Promise<Hot | undefined> {
    const work: Promise<Hot | undefined> = read(id, stored)
      .then((hot) => {
        // Removed or quarantined meanwhile: good for those who wait, not for later ones.
        if (hot && loading.get(id) === work) cache.set(id, hot)
        return hot
      })
      .finally(() => {
        if (loading.get(id) === work) loading.delete(id)
      })
    loading.set(id, work)
    return work
  }

  async function read(id: BlobId, stored: StoredBlob): Promise<Hot | undefined> {
    await using source = await store.open(id)
    if (source?.size === undefined || source.size > limit) return undefined
    const bytes = Buffer.allocUnsafeSlow(source.size)
    const { signal } = new AbortController()
    for (let at = 0; at < bytes.length; ) {
      const count = await source.read(bytes.subarray(at), at, signal)
      if (count === 0) return undefined
      at += count
    }
    if (createHash('sha256').update(bytes).digest('hex') !== hexOf(id)) {
      await quarantine(id, 'it has another digest')
      return undefined
    }
    return { source: memorySource(bytes), stored: { ...stored, size: bytes.length }, lastUsed: now() }
  }

  function use(id: BlobId, hot: Hot): ByteSource {
    hot.lastUsed = now()
    store.touch(id)
    return hot.source
  }

  async function quarantine(id: BlobId, why?: string): Promise<string | undefined> {
    try {
      return await store.quarantine(id, why)
    } finally {
      forget(id)
    }
  }

  function forget(id: BlobId): void {
    cache.delete(id)
    loading.delete(id)
  }

  return {
    async stat(id) {
      const hot = cache.get(id)
      return hot ? { ...hot.stored, lastUsed: hot.lastUsed } : store.stat(id)
    },
    openAtOnce(id) {
      const known = cache.get(id)
      return known && use(id, known)
    },
    async open(id) {
      const known = cache.get(id)
      if (known) return use(id, known)
      const stored = await store.stat(id)
      if (!stored || stored.size > limit) return stored && store.open(id)
      const hot = cache.get(id) ?? (await (loading.get(id) ?? load(id, stored)))
      return hot ? use(id, hot) : store.open(id)
    },
    stage: (key, size) => store.stage(key, size),
    async remove(id) {
      const isGone = await store.remove(id)
      forget(id)
      return isGone
    },
    quarantine,
    forget,
    list: (after) => store.list(after),
    leftovers: () => store.leftovers(),
    discard: (key) => store.discard(key),
    async close() {
      cache.clear()
      await store.close()
    },
  }
}
