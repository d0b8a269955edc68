import type { Clock } from '../system/clock.ts'
import type { Logger } from '../system/log.ts'
import type { StoredBlob } from './blob-store.ts'
import { type Holding, type Holdings, takenBy } from './holdings.ts'
import type { LeftBytes } from './leftovers.ts'
import type { Room } from './room.ts'

/** Looks what is on the disk, now and then, and keeps it within its limits. */
export interface Upkeep {
  /** Settles when all has been looked at once. At once where nobody looks. */
  readonly known: Promise<void>
  /** Begins, behind the start; the returned function ends it. */
  watch(): () => Promise<void>
  /** Soon: the limits are others. */
  tidy(): void
}

export interface UpkeepDeps {
  readonly list: () => AsyncIterable<StoredBlob>
  readonly holdings: Holdings
  readonly leftovers: LeftBytes
  readonly room: Pick<Room, 'tidy'>
  readonly clock: Clock
  readonly log: Logger
}

const recountMs = 10 * 60_000

export function createUpkeep({ list, holdings, leftovers, room, clock, log }: UpkeepDeps): Upkeep {
  let known: Promise<void> = Promise.resolve()

  async function look(signal: AbortSignal): Promise<void> {
    const looking = holdings.look()
    try {
      const found: Holding[] = []
      for await (const { id, size, lastUsed } of list()) {
        signal.throwIfAborted()
        found.push({ id, bytes: takenBy(size), usedAt: lastUsed })
      }
      looking.found(found)
    } finally {
      looking.end()
    }
    await leftovers.look()
  }

  async function lookNowAndThen(signal: AbortSignal, looked: () => void): Promise<void> {
    while (!signal.aborted) {
      try {
        await look(signal).finally(looked)
        await room.tidy()
      } catch (error) {
        if (!signal.aborted) log.warn('store.look', { error })
      }
      await clock.sleep(recountMs, signal).catch(() => {})
    }
  }

  return {
    get known() {
      return known
    },
    watch() {
      const control = new AbortController()
      const first = Promise.withResolvers<void>()
      known = first.promise
      const looking = lookNowAndThen(control.signal, first.resolve)
      return () => {
        control.abort()
        return looking
      }
    },
    tidy() {
      room.tidy().catch((error) => log.warn('store.look', { error }))
    },
  }
}
