import { dirname } from 'node:path'
import type { BlobId } from '../model/digest.ts'
import { createBlocks } from '../system/blocks.ts'
import type { Clock } from '../system/clock.ts'
import { freeBytes, makeFolder, moveDurably, removeFile, statFile, syncFolder } from '../system/files.ts'
import type { Logger } from '../system/log.ts'
import { isSpoilt } from '../system/spoilt.ts'
import { blobSource } from './blob-source.ts'
import type { BlobStore, Spool, StoredBlob } from './blob-store.ts'
import { createHoldings, type Holding, takenBy } from './holdings.ts'
import { createLastUse } from './last-use.ts'
import { createLeftBytes } from './leftovers.ts'
import { createOpenBlobs } from './open-blobs.ts'
import { blobFile, blobsFolder, factsFile, piecesFile, signatureFile, spoolsFolder } from './places.ts'
import { createQuarantine } from './quarantine.ts'
import { createRoom, type Reservation } from './room.ts'
import { spaced } from './spaced-spool.ts'
import { createSpools } from './spools.ts'
import { createUpkeep } from './upkeep.ts'
import { walkBlobs } from './walk-blobs.ts'

export interface DiskStoreDeps {
  readonly path: string // absolute; made where it is missing
  readonly clock: Clock
  readonly log: Logger
  readonly space?: Space
  /** These stay, whatever room is needed. */
  readonly isPinned?: (id: BlobId) => boolean
  /** Something must go: whoever knows what is pinned may want to look again. */
  readonly evicting?: () => Promise<void>
  /** It had to go. */
  readonly evicted?: (blob: Holding) => void
  /** Its bytes are not what they were, or cannot be read: it is out of reach now. */
  readonly quarantined?: (id: BlobId) => void
  /** Bytes that may still be written. @throws Fault 'disk-failed' */
  readonly free?: () => Promise<number>
  readonly bootId: string // of this run of the machine, see `readBootId`
  readonly flushEveryMs?: number // how long last uses are gathered
  readonly maxOpenFiles?: number // kept open for the next reader
}

/** How much of the disk may be used. */
export interface Space {
  readonly quota: number // bytes; Infinity: what there is
  readonly lowWatermark: number // 0 to 1: so much of the quota is kept once something must go
  readonly minFree: number // bytes that others may need
}

/** A store whose blobs may be used without being opened: a memory in front of it says so. */
export interface DiskStore extends BlobStore {
  touch(id: BlobId): void
  /** What is taken: exact once `watch` has looked at the disk, and from then on. `readers`: of files, now. */
  readonly usage: { readonly bytes: number; readonly blobs: number; readonly reserved: number; readonly readers: number }
  /** From now on; what is too much goes soon. */
  setSpace(space: Space): void
  /** Looks what is there, behind the start, and anew now and then, and keeps it within its limits; the returned function stops it. */
  watch(): () => Promise<void>
}

const wholeDisk: Space = { quota: Number.POSITIVE_INFINITY, lowWatermark: 1, minFree: 0 }
const sharedBlocks = 24 // megabytes, for blobs that many read at once
const idleMs = 5 * 60_000 // then the file of a blob that nobody asks for is closed

/** Blobs as files in `blobs/sha256/ab/<hex>`. Starting looks at none of them. @throws Fault 'disk-full', 'disk-failed' */
export async function createDiskStore(deps: DiskStoreDeps): Promise<DiskStore> {
  const { path: root, clock, log, bootId, space = wholeDisk, flushEveryMs = 60_000, maxOpenFiles = 256 } = deps
  await makeFolder(blobsFolder(root))
  await makeFolder(spoolsFolder(root))
  const closing = new AbortController()
  const uses = createLastUse({ root, log })
  const blocks = createBlocks(sharedBlocks)
  const files = createOpenBlobs({ root, now: clock.now, maxFiles: maxOpenFiles, closing: blocks.forget })
  const flushing = flushNowAndThen()
  const holdings = createHoldings()
  const reservations = new Map<string, Reservation>() // by the file of the spool

  async function flushNowAndThen(): Promise<void> {
    while (!closing.signal.aborted) {
      await clock.sleep(flushEveryMs, closing.signal).catch(() => {})
      await uses.flush()
      files.sweep(clock.now() - idleMs)
    }
  }

  function touch(id: BlobId): void {
    const at = clock.now()
    uses.touch(id, at)
    files.touch(id, at)
    holdings.touch(id, at)
  }

  function describe(id: BlobId, size: number, lastUsed: number): StoredBlob {
    return { id, size, lastUsed: uses.of(id, lastUsed), path: blobFile(root, id) }
  }

  async function statOnDisk(id: BlobId): Promise<StoredBlob | undefined> {
    if (quarantine.holds(id)) return undefined
    const found = await statFile(blobFile(root, id))
    return found && describe(id, found.size, found.changedAt)
  }

  async function place(staged: string, id: BlobId, size: number): Promise<StoredBlob> {
    const path = blobFile(root, id)
    await makeFolder(dirname(path))
    if (!quarantine.holds(id) && (await statFile(path))?.size === size) {
      await removeFile(staged)
      await syncFolder(dirname(path)) // who brought it may not have come so far
    } else {
      const took = () => {
        quarantine.release(id)
        files.forget(id)
        reservations.get(staged)?.release() // the same bytes, counted as held from here on
        holdings.put({ id, bytes: takenBy(size), usedAt: clock.now() })
      }
      await moveDurably(staged, path).catch(async (error) => {
        if (!(await isFile(staged)) && (await isFile(path))) took() // renamed, if not durably
        throw error
      })
      took()
    }
    touch(id)
    await leftovers.arrived(id)
    return describe(id, size, 0)
  }

  /** After the file itself is gone or renamed: nobody new may be given what was kept open. */
  function forget(id: BlobId): void {
    uses.forget(id)
    files.forget(id)
    holdings.remove(id)
  }

  const quarantine = createQuarantine({
    root,
    clock,
    log,
    forget,
    removeBeside,
    quarantined: (id) => deps.quarantined?.(id),
  })

  const spools = createSpools({ root, bootId, log, place, blocks })

  const leftovers = createLeftBytes({ spools, isHeld: (key) => holdings.get(key as BlobId) !== undefined, log })
  const room = createRoom({
    ...space,
    holdings,
    leftovers,
    path: root,
    free: deps.free ?? (() => freeBytes(root)),
    known: () => upkeep.known,
    mayGo: (id) => !files.isRead(id) && !deps.isPinned?.(id),
    evicting: async () => deps.evicting?.(),
    remove,
    evicted: (blob) => deps.evicted?.(blob),
    log,
  })

  /** What has no room is refused before the first byte of it is fetched, not after the last that fits. */
  async function stage(key: string, size?: number): Promise<Spool> {
    const spool = await spools.stage(key, size)
    const there = spool.held.total
    const leave = leftovers.taken(key)
    try {
      const reservation = await room.reserve(size === undefined ? there : takenBy(size), there)
      reservations.set(spool.path, reservation)
      return spaced(spool, reservation, (left) => {
        if (reservations.get(spool.path) === reservation) reservations.delete(spool.path)
        leave(left)
      })
    } catch (error) {
      await spool[Symbol.asyncDispose]()
      leave(there)
      throw error
    }
  }

  async function removeBeside(id: BlobId): Promise<void> {
    await removeFile(piecesFile(root, id))
    await removeFile(signatureFile(root, id))
    await removeFile(factsFile(root, id))
  }

  async function remove(id: BlobId): Promise<boolean> {
    await removeBeside(id) // first: what lies there without its blob is found only when all is looked at
    const isGone = await removeFile(blobFile(root, id))
    forget(id)
    return isGone
  }

  /** One that is damaged must not end what looks at all of them. */
  async function statOrQuarantine(id: BlobId): Promise<StoredBlob | undefined> {
    try {
      return await statOnDisk(id)
    } catch (error) {
      if (!isSpoilt(error)) throw error
      await quarantine.put(id, (error as Error).message).catch(() => {}) // which has said so
      return undefined
    }
  }

  async function* list(after?: BlobId, widowed?: (id: BlobId) => Promise<void>): AsyncIterable<StoredBlob> {
    for await (const id of walkBlobs(root, after, widowed)) {
      const blob = await statOrQuarantine(id)
      if (blob) yield blob
    }
  }

  /** Facts that came too late, when their blob had gone again. */
  async function forgetBeside(id: BlobId): Promise<void> {
    if (!(await statFile(blobFile(root, id)))) await removeBeside(id)
  }

  const upkeep = createUpkeep({ list: () => list(undefined, forgetBeside), holdings, leftovers, room, clock, log })

  return {
    ...spools,
    stage,
    touch,
    setSpace(next) {
      room.setSpace(next)
      upkeep.tidy()
    },
    get usage() {
      return { bytes: holdings.bytes, blobs: holdings.blobs, reserved: room.reserved, readers: files.readers }
    },
    watch: upkeep.watch,
    async stat(id) {
      const open = files.peek(id)
      return open ? describe(id, open.size, open.lastUsed) : statOnDisk(id)
    },
    async open(id) {
      const blob = quarantine.holds(id) ? undefined : await files.open(id)
      if (!blob) return undefined
      touch(id)
      return blobSource(blob, blocks)
    },
    remove,
    quarantine: quarantine.put,
    list: (after) => list(after),
    async close() {
      closing.abort()
      await flushing
      await uses.flush() // what was used during the last one
      files.close()
    },
  }
}

/** Also where nobody can say. */
async function isFile(path: string): Promise<boolean> {
  return (await statFile(path).catch(() => true)) !== undefined
}
