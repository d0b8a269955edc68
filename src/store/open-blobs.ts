import type { BlobId } from '../model/digest.ts'
import { type OpenFile, openFile } from '../system/open-file.ts'
import { blobFile } from './places.ts'

/** One blob's open file. Whoever was given it calls `release` once. */
export interface OpenBlob {
  readonly file: OpenFile
  readonly size: number // bytes
  readonly lastUsed: number // epoch ms
  /** Does anybody else read it now? */
  readonly isShared: () => boolean
  readonly release: () => void
}

/** Files of blobs lately used, kept open: a hit on one of them asks the disk nothing. Least recently used first out. */
export interface OpenBlobs {
  /** Undefined when there is no such blob. @throws Fault 'disk-failed' */
  open(id: BlobId): Promise<OpenBlob | undefined>
  /** What is known of a file that is open here. */
  peek(id: BlobId): Pick<OpenBlob, 'size' | 'lastUsed'> | undefined
  /** Does anybody read it now? */
  isRead(id: BlobId): boolean
  readonly readers: number // now, of all blobs
  /** It was used, by way of here or not. */
  touch(id: BlobId, at: number): void
  /** The blob is gone or replaced: closed as soon as nobody reads it any more. */
  forget(id: BlobId): void
  /** Closes what was opened last before that time. */
  sweep(before: number): void
  close(): void
}

interface Entry {
  readonly opening: Promise<Opened | undefined>
  opened: Opened | undefined
  usedAt: number // epoch ms
  users: number // the cache is one
}
interface Opened {
  readonly file: OpenFile
  readonly size: number
  lastUsed: number
}

export function createOpenBlobs(deps: {
  root: string
  now: () => number
  maxFiles: number
  /** Called before a file is closed. */
  closing: (file: OpenFile) => void
}): OpenBlobs {
  const { root, now, closing } = deps
  const entries = new Map<BlobId, Entry>() // in the order of use
  let maxFiles = deps.maxFiles
  let readers = 0

  function begin(id: BlobId): Entry {
    const entry: Entry = { opening: openBlob(blobFile(root, id)), opened: undefined, usedAt: now(), users: 1 }
    const noted = entry.opening.then((opened) => {
      entry.opened = opened
      if (!opened) remove(id, entry)
    })
    noted.catch(() => remove(id, entry))
    return entry
  }

  /** Users are counted before the file is open, so that it is closed exactly once however things are timed. */
  function leave(entry: Entry): void {
    if (--entry.users > 0) return
    entry.opening
      .then((opened) => {
        if (!opened) return undefined
        closing(opened.file)
        return opened.file.close()
      })
      .catch(() => {})
  }

  function lend(entry: Entry, opened: Opened): OpenBlob {
    readers++
    const release = once(() => {
      readers--
      leave(entry)
    })
    return { ...opened, isShared: () => entry.users > 2, release }
  }

  function remove(id: BlobId, entry: Entry): void {
    if (entries.get(id) !== entry) return
    entries.delete(id)
    leave(entry)
  }

  function keep(id: BlobId, entry: Entry): void {
    entries.delete(id)
    entries.set(id, entry)
    for (const [oldest, one] of entries) {
      if (entries.size <= maxFiles) return
      remove(oldest, one)
    }
  }

  return {
    async open(id) {
      const entry = entries.get(id) ?? begin(id)
      entry.users++
      entry.usedAt = now()
      keep(id, entry)
      try {
        const opened = await entry.opening
        if (opened) return lend(entry, opened)
      } catch (error) {
        leave(entry)
        throw error
      }
      leave(entry)
      return undefined
    },
    peek: (id) => entries.get(id)?.opened,
    isRead: (id) => (entries.get(id)?.users ?? 0) > 1,
    get readers() {
      return readers
    },
    touch(id, at) {
      const opened = entries.get(id)?.opened
      if (opened) opened.lastUsed = at
    },
    forget(id) {
      const entry = entries.get(id)
      if (entry) remove(id, entry)
    },
    sweep(before) {
      for (const [id, entry] of entries) {
        if (entry.usedAt >= before) return
        remove(id, entry)
      }
    },
    close() {
      maxFiles = 0
      for (const [id, entry] of entries) remove(id, entry)
    },
  }
}

async function openBlob(path: string): Promise<Opened | undefined> {
  const file = await openFile(path, 'read')
  if (!file) return undefined
  try {
    const { size, changedAt } = await file.state()
    return { file, size, lastUsed: changedAt }
  } catch (error) {
    await file.close()
    throw error
  }
}

function once(work: () => void): () => void {
  let isDone = false
  return () => {
    if (isDone) return
    isDone = true
    work()
  }
}
