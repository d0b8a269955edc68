import { basename, dirname, join } from 'node:path'
import type { BlobId } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { createBlocks } from '../system/blocks.ts'
import type { Clock } from '../system/clock.ts'
import { freeBytes, makeFolder, moveDurably, removeFile, statFile, syncFolder, walk } from '../system/files.ts'
import type { Logger } from '../system/log.ts'
import { blobSource } from './blob-source.ts'
import type { BlobStore, Spool, StoredBlob } from './blob-store.ts'
import { createLastUse } from './last-use.ts'
import { createOpenBlobs } from './open-blobs.ts'
import { blobFile, blobIdAt, blobsFolder, factsFile, piecesFile, quarantineFolder, spoolsFolder } from './places.ts'
import { createSpools } from './spools.ts'
import type { Usage } from './usage.ts'

export interface DiskStoreDeps {
  readonly path: string // absolute; made where it is missing
  readonly clock: Clock
  readonly log: Logger
  readonly usage?: Pick<Usage, 'add'> // told of what comes and goes
  readonly bootId: string // of this run of the machine, see `readBootId`
  readonly flushEveryMs?: number // how long last uses are gathered
  readonly maxOpenFiles?: number // kept open for the next reader
}

/** A store whose blobs may be used without being opened: a memory in front of it says so. */
export interface DiskStore extends BlobStore {
  touch(id: BlobId): void
}

const sharedBlocks = 24 // megabytes, for blobs that many read at once
const idleMs = 5 * 60_000 // then the file of a blob that nobody asks for is closed

/** Blobs as files in `blobs/sha256/ab/<hex>`. Starting looks at none of them. @throws Fault 'disk-full', 'disk-failed' */
export async function createDiskStore(deps: DiskStoreDeps): Promise<DiskStore> {
  const { path: root, clock, log, usage, bootId, flushEveryMs = 60_000, maxOpenFiles = 256 } = deps
  await makeFolder(blobsFolder(root))
  await makeFolder(spoolsFolder(root))
  const closing = new AbortController()
  const uses = createLastUse({ root, log })
  const blocks = createBlocks(sharedBlocks)
  const files = createOpenBlobs({ root, now: clock.now, maxFiles: maxOpenFiles, closing: blocks.forget })
  const flushing = flushNowAndThen()

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
  }

  function describe(id: BlobId, size: number, lastUsed: number): StoredBlob {
    return { id, size, lastUsed: uses.of(id, lastUsed), path: blobFile(root, id) }
  }

  async function statOnDisk(id: BlobId): Promise<StoredBlob | undefined> {
    const found = await statFile(blobFile(root, id))
    return found && describe(id, found.size, found.changedAt)
  }

  async function place(staged: string, id: BlobId, size: number): Promise<StoredBlob> {
    const path = blobFile(root, id)
    await makeFolder(dirname(path))
    if ((await statFile(path))?.size === size) {
      await removeFile(staged)
      await syncFolder(dirname(path)) // who brought it may not have come so far
    } else {
      await moveDurably(staged, path)
      files.forget(id)
      usage?.add(size, 1)
    }
    touch(id)
    return describe(id, size, 0)
  }

  /** After the file itself is gone or renamed: nobody new may be given what was kept open. */
  function forget(id: BlobId): void {
    uses.forget(id)
    files.forget(id)
  }

  const spools = createSpools({ root, bootId, log, place, blocks })

  /** What has no room is refused before the first byte of it is fetched, not after the last that fits. */
  async function stage(key: string, size?: number): Promise<Spool> {
    const spool = await spools.stage(key, size)
    try {
      if (size !== undefined && size - spool.held.total > (await freeBytes(root))) throw new Fault('disk-full', { path: root })
      return spool
    } catch (error) {
      await spool[Symbol.asyncDispose]()
      throw error
    }
  }

  return {
    ...spools,
    stage,
    touch,
    async stat(id) {
      const open = files.peek(id)
      return open ? describe(id, open.size, open.lastUsed) : statOnDisk(id)
    },
    async open(id) {
      const blob = await files.open(id)
      if (!blob) return undefined
      touch(id)
      return blobSource(blob, blocks)
    },
    async remove(id) {
      await removeFile(piecesFile(root, id))
      await removeFile(factsFile(root, id)) // first: facts without their blob would never be found again
      const found = await statFile(blobFile(root, id))
      const isGone = await removeFile(blobFile(root, id))
      if (found && isGone) usage?.add(-found.size, -1)
      forget(id)
      return isGone
    },
    async quarantine(id) {
      const path = blobFile(root, id)
      const found = await statFile(path)
      if (!found) return undefined
      const folder = quarantineFolder(root)
      await makeFolder(folder)
      const wanted = join(folder, basename(path))
      const movedTo = (await statFile(wanted)) ? `${wanted}.${clock.now()}` : wanted
      await moveDurably(path, movedTo)
      usage?.add(-found.size, -1)
      forget(id)
      await syncFolder(dirname(path))
      return movedTo
    },
    async *list() {
      for await (const name of walk(blobsFolder(root))) {
        const id = blobIdAt(name)
        const blob = id && (await statOnDisk(id))
        if (blob) yield blob
      }
    },
    async close() {
      closing.abort()
      await flushing
      await uses.flush() // what was used during the last one
      files.close()
    },
  }
}
