import type { BlobId } from '../model/digest.ts'
import type { BlobSignature } from '../model/facts.ts'
import type { Sidecars } from '../store/blob-store.ts'
import { createMemoryCache } from '../system/memory-cache.ts'

export interface KeptSignaturesDeps {
  readonly sidecars: Pick<Sidecars, 'readSignature' | 'writeSignature' | 'removeSignature'>
  /** The fingerprint of the key that signs here; undefined where nothing is signed. */
  readonly siteKey: string | undefined
  readonly now: () => number
}

/** The signatures of held blobs, one each: its publisher's where there is one, else the site's. */
export interface KeptSignatures {
  /** Read from disk once. */
  of(id: BlobId): Promise<BlobSignature | undefined>
  /** What clients are told of: not what a key of the site has made that is no longer used. */
  told(id: BlobId): Promise<BlobSignature | undefined>
  /** A publisher's takes the place of the site's, never the other way; of two publishers' the one that was verified stays. */
  keep(id: BlobId, signature: Omit<BlobSignature, 'keptAt'>): Promise<void>
  drop(id: BlobId): Promise<void>
  /** The blob was removed; without an id: any may have been. */
  forget(id?: BlobId): void
  /** Moves when a signature came or went. */
  readonly version: number
}

const bytesKept = 16 * 1024 * 1024
const entryOverhead = 300

export function createKeptSignatures({ sidecars, siteKey, now }: KeptSignaturesDeps): KeptSignatures {
  const known = createMemoryCache<BlobId, { readonly signature: BlobSignature | undefined }>({
    maxBytes: bytesKept,
    sizeOf: ({ signature }) => entryOverhead + (signature?.armored.length ?? 0),
  })
  let version = 0

  async function of(id: BlobId): Promise<BlobSignature | undefined> {
    const found = known.get(id)
    if (found) return found.signature
    const signature = await sidecars.readSignature(id)
    if (!known.get(id)) known.set(id, { signature }) // one may have been kept meanwhile
    return known.get(id)?.signature ?? signature
  }

  return {
    of,
    async told(id) {
      const signature = await of(id)
      return signature?.by === 'site' && signature.keys[0] !== siteKey ? undefined : signature
    },
    async keep(id, signature) {
      const before = await of(id)
      const merged = merge(before, signature)
      if (!merged) return
      const kept: BlobSignature = { ...merged, keptAt: now() }
      await sidecars.writeSignature(id, kept)
      version++
      known.set(id, { signature: kept })
    },
    async drop(id) {
      await sidecars.removeSignature(id)
      version++
      known.delete(id)
    },
    forget(id) {
      if (id) known.delete(id)
      else known.clear()
    },
    get version() {
      return version
    },
  }
}

type Unkept = Omit<BlobSignature, 'keptAt'>

/** Undefined where nothing changes. */
function merge(before: BlobSignature | undefined, added: Unkept): Unkept | undefined {
  if (!before || before.by === 'site') return added
  if (added.by === 'site') return undefined
  const keys = [...new Set([...before.keys, ...added.keys])]
  if (keys.length === before.keys.length) return undefined
  return { armored: before.keys.length > 0 ? before.armored : added.armored, by: 'publisher', keys }
}
