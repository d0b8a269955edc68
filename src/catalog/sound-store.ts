import type { ByteSource } from '../model/byte-source.ts'
import type { BlobId } from '../model/digest.ts'
import { isFault } from '../model/fault.ts'
import type { AtOnce, BlobStore, StoredBlob } from '../store/blob-store.ts'
import type { Logger } from '../system/log.ts'
import { isSpoilt } from '../system/spoilt.ts'
import { tellingFirst } from './telling-first.ts'

export interface SoundStoreDeps {
  readonly store: BlobStore & AtOnce
  /** How many bytes it had when it was stored; undefined where that is not known. */
  readonly sizeOf: (id: BlobId) => Promise<number | undefined>
  /** It is not there any more, and nobody let it go. */
  readonly vanished: (id: BlobId) => Promise<void>
  readonly log: Logger
}

/**
 * The store as it may be relied on: what is shorter or longer than it was, or cannot be read, goes to the quarantine and is as
 * good as absent, so that whoever asks for it has it fetched anew.
 */
export function createSoundStore({ store, sizeOf, vanished, log }: SoundStoreDeps): BlobStore & AtOnce {
  const rounds = new Map<BlobId, number>() // of those put aside: who read one that was does not put aside its successor
  const leaving = new Map<BlobId, Promise<void>>()
  const roundOf = (id: BlobId) => rounds.get(id) ?? 0

  /** Settles once it is out of reach, whoever began that. */
  async function putAside(id: BlobId, round: number, why: string): Promise<void> {
    if (roundOf(id) === round) {
      rounds.set(id, round + 1)
      leaving.set(id, leave(id, why))
    }
    await leaving.get(id)
  }

  async function leave(id: BlobId, why: string): Promise<void> {
    try {
      await store.quarantine(id, why)
    } catch (error) {
      log.warn('store.quarantine', { digest: id, error })
    } finally {
      leaving.delete(id)
    }
  }

  /** False where it was put aside for it. */
  async function isAsLong(id: BlobId, size: number | undefined, round: number): Promise<boolean> {
    const stored = await sizeOf(id)
    if (stored === undefined || size === undefined || size === stored) return true
    await putAside(id, round, `it has ${size} bytes and had ${stored}`)
    return false
  }

  /** Undefined where it cannot be used; it is put aside where that is its own fault. */
  async function usable<T>(id: BlobId, round: number, work: Promise<T | undefined>): Promise<T | undefined> {
    try {
      return await work
    } catch (error) {
      if (!isFault(error, 'disk-failed')) throw error
      if (isSpoilt(error)) await putAside(id, round, error.message)
      else log.warn('store.read', { digest: id, error })
      return undefined
    }
  }

  async function stat(id: BlobId): Promise<StoredBlob | undefined> {
    const round = roundOf(id)
    const found = await usable(id, round, store.stat(id))
    if (found) return (await isAsLong(id, found.size, round)) ? found : undefined
    if ((await sizeOf(id)) === undefined) return undefined
    // Looked for once more: it may have come between the two questions.
    const again = async () => {
      const found = await store.stat(id)
      if (!found) await vanished(id)
      return found
    }
    return usable(id, round, again())
  }

  async function open(id: BlobId): Promise<ByteSource | undefined> {
    const round = roundOf(id)
    const bytes = await usable(id, round, store.open(id))
    if (!bytes || 'bytes' in bytes) return bytes
    if (await isAsLong(id, bytes.size, round))
      return tellingFirst(bytes, async (error) => {
        if (isSpoilt(error)) await putAside(id, round, (error as Error).message)
      })
    await bytes[Symbol.asyncDispose]()
    return undefined
  }

  return { ...store, stat, open }
}
