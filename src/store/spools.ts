import { join } from 'node:path'
import { removeFile, statFile, walk } from '../system/files.ts'
import type { BlobStore } from './blob-store.ts'
import { spoolStem, spoolsFolder } from './places.ts'
import { openSpool, readJournal, type SpoolDeps } from './spool.ts'

export interface SpoolsDeps extends Pick<SpoolDeps, 'bootId' | 'log' | 'place' | 'blocks'> {
  readonly root: string
}

const staged = '.part'
const journaled = '.journal'

/** The folder of spools, each two files named by the hash of its key, each with one owner at a time. */
export function createSpools({
  root,
  bootId,
  log,
  place,
  blocks,
}: SpoolsDeps): Pick<BlobStore, 'stage' | 'leftovers' | 'discard'> {
  const folder = spoolsFolder(root)
  const owners = new Map<string, Promise<void>>() // by stem: settles when the last in the queue is done

  /** Waits for those who came before; the returned function lets the next one in. */
  async function own(stem: string): Promise<() => void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const before = owners.get(stem)
    owners.set(stem, promise)
    await before
    return () => {
      if (owners.get(stem) === promise) owners.delete(stem)
      resolve()
    }
  }

  function filesOf(stem: string) {
    return { path: join(folder, stem + staged), journalPath: join(folder, stem + journaled) }
  }

  /** A leftover whose journal is damaged has lost its key; it goes by its stem. */
  function stemsOf(key: string): readonly string[] {
    return /^[0-9a-f]{64}$/.test(key) ? [key, spoolStem(key)] : [spoolStem(key)]
  }

  async function* stems(): AsyncIterable<string> {
    const seen = new Set<string>()
    for await (const name of walk(folder)) {
      const stem = /^([0-9a-f]{64})\.(?:part|journal)$/.exec(name)?.[1]
      if (stem === undefined || seen.has(stem) || owners.has(stem)) continue
      seen.add(stem)
      yield stem
    }
  }

  return {
    async stage(key, size) {
      const stem = spoolStem(key)
      const released = await own(stem)
      try {
        return await openSpool({ key, size, ...filesOf(stem), bootId, log, place, blocks, released })
      } catch (error) {
        released()
        throw error
      }
    },
    async *leftovers() {
      for await (const stem of stems()) {
        const { path, journalPath } = filesOf(stem)
        const [file, journal] = [await statFile(path), await statFile(journalPath)]
        if (!file && !journal) continue
        const key = (await readJournal(journalPath))?.key
        yield {
          key: key !== undefined && spoolStem(key) === stem ? key : stem,
          bytes: (file?.onDisk ?? 0) + (journal?.onDisk ?? 0),
          changedAt: Math.max(file?.changedAt ?? 0, journal?.changedAt ?? 0),
        }
      }
    },
    async discard(key) {
      let isGone = false
      for (const stem of stemsOf(key)) {
        if (owners.has(stem)) continue
        const release = await own(stem)
        const { path, journalPath } = filesOf(stem)
        try {
          isGone = (await removeFile(journalPath)) || isGone // first: it must never speak of bytes that are not there
          isGone = (await removeFile(path)) || isGone
        } finally {
          release()
        }
      }
      return isGone
    },
  }
}
