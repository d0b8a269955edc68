import type { BlobId } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import type { Logger } from '../system/log.ts'
import type { Holding, Holdings } from './holdings.ts'
import type { LeftBytes } from './leftovers.ts'

export interface RoomDeps {
  readonly holdings: Pick<Holdings, 'bytes' | 'oldest'>
  readonly path: string // for errors
  readonly quota: number // bytes; Infinity: as much as the disk has
  /** Once something must go, so much of the quota is kept: 0 to 1. */
  readonly lowWatermark: number
  readonly minFree: number // bytes that others may need on the same disk
  /** Bytes that may still be written. @throws Fault 'disk-failed' */
  readonly free: () => Promise<number>
  /** Neither pinned nor read by anybody now. */
  readonly mayGo: (id: BlobId) => boolean
  /** False where it is not there any more. @throws Fault 'disk-failed' */
  readonly remove: (id: BlobId) => Promise<boolean>
  /** What unfinished fills left, which goes before any blob does. */
  readonly leftovers: Pick<LeftBytes, 'bytes' | 'discard'>
  /** Settles once it is known what is held: before that nobody can say what was used least. */
  readonly known: () => Promise<void>
  /** Asked before the first one goes. */
  readonly evicting: () => Promise<void>
  readonly evicted: (blob: Holding) => void
  readonly log: Logger
}

/** Space on a disk, shared out before it is written to: the least recently used blobs go when it is needed. */
export interface Room {
  /**
   * Space for so many bytes, of which some are on the disk already. Nothing goes where that would not be enough.
   *
   * @throws Fault 'disk-full', 'disk-failed'
   */
  reserve(bytes: number, written?: number): Promise<Reservation>
  /** Frees what the quota and others on the disk demand, as far as that can be. @throws Fault as `reserve` */
  tidy(): Promise<void>
  readonly reserved: number // bytes
  /** From now on. */
  setSpace(space: Pick<RoomDeps, 'quota' | 'lowWatermark' | 'minFree'>): void
}

/** Counts until it is released: what became of the bytes is accounted for otherwise by then. */
export interface Reservation {
  readonly bytes: number
  /** @throws Fault 'disk-full', 'disk-failed' */
  grow(bytes: number): Promise<void>
  /** So many of them are on the disk now. */
  holds(bytes: number): void
  release(): void
}

export function createRoom(deps: RoomDeps): Room {
  const { holdings, leftovers, log } = deps
  let { quota, lowWatermark, minFree } = deps
  let reserved = 0
  let unwritten = 0 // of the reserved
  let turns: Promise<unknown> = Promise.resolve()

  const taken = () => holdings.bytes + leftovers.bytes + reserved
  const full = () => new Fault('disk-full', { path: deps.path })

  /** How many bytes must go at least so that what is reserved fits, and had better; 0 or less where none. */
  async function lacking(): Promise<{ least: number; better: number }> {
    const onDisk = minFree + unwritten - (await deps.free())
    const over = taken() - quota
    return { least: Math.max(over, onDisk), better: Math.max(over > 0 ? taken() - quota * lowWatermark : 0, onDisk) }
  }

  /** Would there be so much, if all went that may? */
  function isThere(bytes: number): boolean {
    let found = leftovers.bytes
    for (const { id, bytes: its } of holdings.oldest()) {
      if (found >= bytes) return true
      if (deps.mayGo(id)) found += its
    }
    return found >= bytes
  }

  async function evict(bytes: number): Promise<void> {
    let freed = 0
    for (const blob of holdings.oldest()) {
      const { id } = blob
      if (freed >= bytes) return
      if (!deps.mayGo(id)) continue
      try {
        if (!(await deps.remove(id))) continue
      } catch (error) {
        log.error('store.evict', { digest: id, error })
        continue
      }
      freed += blob.bytes
      deps.evicted(blob)
    }
  }

  /** What may not go has to be known, or nothing may. */
  async function demandPins(): Promise<void> {
    await deps.evicting().catch((error) => {
      log.error('store.evict', { error })
      throw full()
    })
  }

  async function makeRoom(unless: (least: number) => boolean): Promise<void> {
    if ((await lacking()).least <= 0) return
    await deps.known()
    await demandPins()
    const { least, better } = await lacking()
    if (least <= 0) return
    if (unless(least)) throw full()
    log.info('store.evict', { bytes: better, taken: taken() })
    const left = leftovers.bytes
    await leftovers.discard(better)
    await evict(better - (left - leftovers.bytes))
    if ((await lacking()).least > 0) throw full()
  }

  /** One at a time: two that look at once would both see the same space. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = turns.then(work)
    turns = turn.catch(() => {})
    return turn
  }

  function take(all: number, written: number): Promise<void> {
    return inTurn(async () => {
      reserved += all
      unwritten += all - written
      try {
        await makeRoom((least) => !isThere(least))
      } catch (error) {
        reserved -= all
        unwritten -= all - written
        throw error
      }
    })
  }

  return {
    get reserved() {
      return reserved
    },
    setSpace(space) {
      ;({ quota, lowWatermark, minFree } = space)
    },
    tidy: () => inTurn(() => makeRoom(() => false)),
    async reserve(bytes, written = 0) {
      const onDisk = Math.min(written, bytes)
      await take(bytes, onDisk)
      return createReservation({ all: bytes, unwritten: bytes - onDisk }, take, (all, rest) => {
        reserved -= all
        unwritten -= rest
      })
    },
  }
}

/** `give` returns so much of all, and of what was not written. */
function createReservation(
  first: { readonly all: number; readonly unwritten: number },
  take: (bytes: number, written: number) => Promise<void>,
  give: (all: number, unwritten: number) => void,
): Reservation {
  let { all, unwritten } = first
  let isOver = false

  return {
    get bytes() {
      return all
    },
    async grow(more) {
      await take(more, 0)
      if (isOver) return give(more, more)
      all += more
      unwritten += more
    },
    holds(bytes) {
      if (isOver) return
      const rest = Math.max(0, all - bytes)
      give(0, unwritten - rest)
      unwritten = rest
    },
    release() {
      if (isOver) return
      isOver = true
      give(all, unwritten)
    },
  }
}
