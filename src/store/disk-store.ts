import { basename, dirname, join } from 'node:path'
import { type BlobId, hexOf } from '../model/digest.ts'
import { pieceCount, pieceHashBytes, pieceLengthFor } from '../model/pieces.ts'
import { createBlocks } from '../system/blocks.ts'
import type { Clock } from '../system/clock.ts'
import { freeBytes, makeFolder, moveDurably, removeFile, statFile, syncFolder, walk } from '../system/files.ts'
import type { Logger } from '../system/log.ts'
import { isSpoilt } from '../system/spoilt.ts'
import { blobSource } from './blob-source.ts'
import type { BlobStore, Spool, StoredBlob } from './blob-store.ts'
import { createHoldings, type Holding } from './holdings.ts'
import { createLastUse } from './last-use.ts'
import { createLeftBytes } from './leftovers.ts'
import { createOpenBlobs } from './open-blobs.ts'
import {
  blobFile,
  blobIdAt,
  blobsFolder,
  factsFile,
  fileBesideAt,
  piecesFile,
  quarantineFolder,
  signatureFile,
  spoolsFolder,
} from './places.ts'
import { createRoom, type Reservation } from './room.ts'
import { spaced } from './spaced-spool.ts'
import { createSpools } from './spools.ts'

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
const recountMs = 10 * 60_000
const folders = 256
const sidecarBytes = 2 * 4096 // a facts file, and what a folder entry and a signature take

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
  const spoilt = new Set<BlobId>() // that could not be moved out of reach
  let known: Promise<void> = Promise.resolve()

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
    if (spoilt.has(id)) return undefined
    const found = await statFile(blobFile(root, id))
    return found && describe(id, found.size, found.changedAt)
  }

  async function place(staged: string, id: BlobId, size: number): Promise<StoredBlob> {
    const path = blobFile(root, id)
    await makeFolder(dirname(path))
    if (!spoilt.has(id) && (await statFile(path))?.size === size) {
      await removeFile(staged)
      await syncFolder(dirname(path)) // who brought it may not have come so far
    } else {
      const took = () => {
        spoilt.delete(id)
        files.forget(id)
        reservations.get(staged)?.release() // the same bytes, counted as held from here on
        holdings.put({ id, bytes: bytesOf(size), usedAt: clock.now() })
      }
      await moveDurably(staged, path).catch(async (error) => {
        if (!(await isFile(staged)) && (await isFile(path))) took() // renamed, if not durably
        throw error
      })
      took()
    }
    touch(id)
    return describe(id, size, 0)
  }

  /** After the file itself is gone or renamed: nobody new may be given what was kept open. */
  function forget(id: BlobId): void {
    uses.forget(id)
    files.forget(id)
    holdings.remove(id)
  }

  const spools = createSpools({ root, bootId, log, place, blocks })

  const leftovers = createLeftBytes({ spools, log })
  const room = createRoom({
    ...space,
    holdings,
    leftovers,
    path: root,
    free: deps.free ?? (() => freeBytes(root)),
    known: () => known,
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
      const reservation = await room.reserve(size === undefined ? there : bytesOf(size), there)
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

  /** Out of reach at once, and for good also where it cannot be moved. */
  async function quarantine(id: BlobId, why = 'its bytes are not what they were'): Promise<string | undefined> {
    const path = blobFile(root, id)
    const isThere = await statFile(path).then(
      (found) => found !== undefined,
      () => true, // and nothing can be learnt of it
    )
    forget(id)
    if (!isThere) return undefined
    spoilt.add(id)
    deps.quarantined?.(id)
    const folder = quarantineFolder(root)
    try {
      await makeFolder(folder)
      const wanted = join(folder, basename(path))
      const movedTo = (await statFile(wanted)) ? `${wanted}.${clock.now()}` : wanted
      await moveDurably(path, movedTo)
      spoilt.delete(id)
      log.error('store.bad', { digest: id, why, movedTo })
      await syncFolder(dirname(path))
      await removeBeside(id)
      return movedTo
    } catch (error) {
      log.error('store.bad', { digest: id, why, error })
      throw error
    }
  }

  /** One that is damaged must not end what looks at all of them. */
  async function statOrQuarantine(id: BlobId): Promise<StoredBlob | undefined> {
    try {
      return await statOnDisk(id)
    } catch (error) {
      if (!isSpoilt(error)) throw error
      await quarantine(id, (error as Error).message).catch(() => {}) // which has said so
      return undefined
    }
  }

  async function look(signal: AbortSignal): Promise<void> {
    const looking = holdings.look()
    try {
      const found: Holding[] = []
      for await (const { id, size, lastUsed } of list(undefined, forgetBeside)) {
        signal.throwIfAborted()
        found.push({ id, bytes: bytesOf(size), usedAt: lastUsed })
      }
      looking.found(found)
    } finally {
      looking.end()
    }
    await leftovers.look()
  }

  /** Facts that came too late, when their blob had gone again. */
  async function forgetBeside(id: BlobId): Promise<void> {
    if (!(await statFile(blobFile(root, id)))) await removeBeside(id)
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

  /** One folder after the other, so that what is in memory of the names is little of all. */
  async function* list(after?: BlobId, widowed: (id: BlobId) => Promise<void> = async () => {}): AsyncIterable<StoredBlob> {
    const first = after === undefined ? 0 : Number.parseInt(hexOf(after).slice(0, 2), 16)
    for (let at = first; at < folders; at++) {
      const ids = new Set<BlobId>()
      const beside = new Set<BlobId>()
      for await (const name of walk(blobsFolder(root), at.toString(16).padStart(2, '0'))) {
        const id = blobIdAt(name)
        if (id) ids.add(id)
        const its = fileBesideAt(name)
        if (its) beside.add(its)
      }
      for (const id of beside) if (!ids.has(id)) await widowed(id)
      for (const id of [...ids].sort()) {
        const blob = after === undefined || id > after ? await statOrQuarantine(id) : undefined
        if (blob) yield blob
      }
    }
  }

  return {
    ...spools,
    stage,
    touch,
    setSpace(next) {
      room.setSpace(next)
      room.tidy().catch((error) => log.warn('store.look', { error }))
    },
    get usage() {
      return { bytes: holdings.bytes, blobs: holdings.blobs, reserved: room.reserved, readers: files.readers }
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
    async stat(id) {
      const open = files.peek(id)
      return open ? describe(id, open.size, open.lastUsed) : statOnDisk(id)
    },
    async open(id) {
      const blob = spoilt.has(id) ? undefined : await files.open(id)
      if (!blob) return undefined
      touch(id)
      return blobSource(blob, blocks)
    },
    remove,
    quarantine,
    list: (after) => list(after),
    async close() {
      closing.abort()
      await flushing
      await uses.flush() // what was used during the last one
      files.close()
    },
  }
}

/** What a blob of that size takes, with what lies beside it. */
function bytesOf(size: number): number {
  const length = pieceLengthFor(size)
  return size + sidecarBytes + (length === undefined ? 0 : pieceCount(size, length) * pieceHashBytes)
}

/** Also where nobody can say. */
async function isFile(path: string): Promise<boolean> {
  return (await statFile(path).catch(() => true)) !== undefined
}
