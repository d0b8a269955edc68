import type { Clock } from '../system/clock.ts'
import type { Logger } from '../system/log.ts'
import type { BlobStore } from './blob-store.ts'

/** What the blobs of a store take, without asking the disk each time. */
export interface Usage {
  readonly bytes: number
  readonly blobs: number
  /** A blob came (positive) or went. */
  add(bytes: number, blobs: number): void
  /** Counts what is there, behind the start, and anew now and then; the returned function stops it. */
  watch(store: Pick<BlobStore, 'list'>): () => Promise<void>
}

const recountMs = 10 * 60_000

/** Exact between counts. What comes during a count may be in it twice until the next. */
export function createUsage({ clock, log }: { clock: Clock; log: Logger }): Usage {
  let bytes = 0
  let blobs = 0

  async function count(store: Pick<BlobStore, 'list'>, signal: AbortSignal): Promise<void> {
    const before = { bytes, blobs }
    let found = 0
    let size = 0
    for await (const blob of store.list()) {
      if (signal.aborted) return
      found++
      size += blob.size
    }
    bytes += size - before.bytes
    blobs += found - before.blobs
  }

  async function countNowAndThen(store: Pick<BlobStore, 'list'>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await count(store, signal).catch((error) => log.warn('store.count', { error }))
      await clock.sleep(recountMs, signal).catch(() => {})
    }
  }

  return {
    get bytes() {
      return bytes
    },
    get blobs() {
      return blobs
    },
    add(moreBytes, moreBlobs) {
      bytes += moreBytes
      blobs += moreBlobs
    },
    watch(store) {
      const control = new AbortController()
      const counting = countNowAndThen(store, control.signal)
      return () => {
        control.abort()
        return counting
      }
    },
  }
}
