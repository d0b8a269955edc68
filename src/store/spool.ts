import type { BlobId } from '../model/digest.ts'
import { Fault, toFault } from '../model/fault.ts'
import { createIntervals } from '../model/intervals.ts'
import type { ByteRange } from '../model/range.ts'
import type { Blocks } from '../system/blocks.ts'
import { readSmallFile, removeFile } from '../system/files.ts'
import type { Logger } from '../system/log.ts'
import { type OpenFile, openFile } from '../system/open-file.ts'
import type { Spool, SpoolNote, StoredBlob } from './blob-store.ts'
import { believed, clip, type Journal, type JournalState, parseJournal } from './journal.ts'
import { createSpoolJournal } from './spool-journal.ts'

const MiB = 1024 * 1024
const syncEvery = 64 * MiB
export const journalLimit = 16 * MiB // bytes; a longer one was not written by us

export interface SpoolDeps {
  readonly key: string
  readonly size: number | undefined // bytes, where the caller knows
  readonly path: string // of the staged file
  readonly journalPath: string
  readonly bootId: string
  readonly log: Logger
  readonly blocks: Blocks
  /** Moves the staged and synced file to its name, or drops it for one that is there. */
  readonly place: (path: string, id: BlobId, size: number) => Promise<StoredBlob>
  /** The files are gone or closed for good: the key is free. Called once. */
  readonly released: () => void
}

/** Opens the spool that lies there, or a new one. @throws Fault 'disk-full', 'disk-failed' */
export async function openSpool(deps: SpoolDeps): Promise<Spool> {
  const journal = await readJournal(deps.journalPath)
  const file = await openFile(deps.path, 'create')
  try {
    const { size } = await file.state()
    const held = journal && journal.key === deps.key ? believed(journal, { bootId: deps.bootId, size }) : []
    if (journal && held.length > 0) {
      return createSpool(deps, file, { held, durable: clip(journal.state.durable, size), note: journal.state.note })
    }
    await removeFile(deps.journalPath) // first: it must never speak of bytes that are not there
    await file.truncate(0)
    return createSpool(deps, file, undefined)
  } catch (error) {
    await file.close()
    throw error
  }
}

export async function readJournal(path: string): Promise<Journal | undefined> {
  try {
    const text = await readSmallFile(path, journalLimit)
    return text && parseJournal(text.toString())
  } catch (error) {
    if (toFault(error, path).code === 'too-large') return undefined
    throw error
  }
}

function createSpool(deps: SpoolDeps, file: OpenFile, left: JournalState | undefined): Spool {
  const { key, path, log, blocks } = deps
  const held = createIntervals(left?.held)
  const stagedAs: SpoolNote = deps.size === undefined ? {} : { size: deps.size }
  let durable: readonly ByteRange[] = left?.durable ?? []
  let noted: SpoolNote = { ...stagedAs, ...left?.note }
  let phase: 'open' | 'busy' | 'over' = 'open' // busy: being reset or committed, when nothing may be written
  let turns: Promise<unknown> = Promise.resolve()
  let isDisposed = false
  let writing = 0
  let quiet: PromiseWithResolvers<void> | undefined
  let syncing: Promise<void> | undefined
  let syncFault: Fault | undefined // after a failed sync nobody knows which bytes are on disk
  let unrecorded = 0 // bytes
  let unsynced = 0 // bytes
  let forgotten = 0 // times

  const journal = createSpoolJournal({
    path: deps.journalPath,
    key,
    bootId: deps.bootId,
    isThere: left !== undefined,
    state: () => ({ held: held.ranges, durable, note: noted }),
    log,
  })

  function demand(what: string, ...phases: readonly (typeof phase)[]): void {
    if (!phases.includes(phase)) throw new Fault('internal', { what: `${what} of spool ${key}, which is ${phase}` })
    if (syncFault) throw syncFault
  }

  function wrote(bytes: number): void {
    unrecorded += bytes
    unsynced += bytes
    if (unsynced >= syncEvery) syncing ??= sync()
    // A crash costs what was not recorded: little of a small blob, and no more than this of a large one.
    if (unrecorded < Math.min(8 * MiB, Math.max(MiB, held.total / 16))) return
    unrecorded = 0
    journal.record(false)
  }

  async function sync(): Promise<void> {
    const ranges = [...held.ranges]
    const before = forgotten
    unsynced = 0
    try {
      await file.syncData()
      if (forgotten === before) durable = ranges
      journal.record(true)
    } catch (error) {
      syncFault = toFault(error, path)
    } finally {
      syncing = undefined
    }
  }

  /** Settles when no write and no sync is under way. */
  async function settled(): Promise<void> {
    if (writing > 0) {
      quiet ??= Promise.withResolvers()
      await quiet.promise
    }
    await syncing
  }

  /** Runs what must have the files to itself, one after the other. */
  function alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = turns.then(async () => {
      if (phase === 'open') phase = 'busy'
      try {
        await settled()
        return await work()
      } finally {
        if (phase === 'busy') phase = 'open'
      }
    })
    turns = turn.catch(() => {})
    return turn
  }

  function end(): void {
    if (phase === 'over') return
    phase = 'over'
    deps.released()
  }

  async function deleteFiles(): Promise<void> {
    await journal.remove()
    await removeFile(path)
  }

  async function demandWhole(): Promise<number> {
    const size = noted.size ?? held.reach(0)
    if (held.total !== size || held.reach(0) !== size) {
      throw new Fault('internal', { what: `commit of spool ${key} with ${held.total} of ${size} bytes` })
    }
    const { size: there } = await file.state()
    if (there < size) throw new Fault('disk-failed', { path, why: `it has ${there} bytes where ${size} were written` })
    if (there > size) await file.truncate(size) // an earlier run left bytes that were never believed
    return size
  }

  async function commit(id: BlobId): Promise<StoredBlob> {
    demand('commit', 'busy')
    const size = await demandWhole()
    await file.sync().catch((error) => {
      syncFault = toFault(error, path)
      throw error
    })
    const stored = await deps.place(path, id, size)
    // A journal without its file says nothing, so the blob is safe even when this fails.
    await journal.remove().catch((error) => log.warn('spool.journal', { key, error }))
    end()
    return stored
  }

  async function reset(): Promise<void> {
    demand('reset', 'busy')
    held.remove(0, Number.POSITIVE_INFINITY)
    durable = []
    noted = stagedAs
    unrecorded = unsynced = 0
    blocks.forget(file)
    await journal.remove()
    await file.truncate(0)
  }

  async function drop(): Promise<void> {
    if (phase === 'over') return
    try {
      await deleteFiles()
    } finally {
      end()
    }
  }

  async function keep(): Promise<void> {
    try {
      if (phase === 'over') return
      if (held.total > 0) await sync()
      await journal.close()
      if (held.total === 0 || syncFault) await deleteFiles()
    } catch (error) {
      log.warn('spool.keep', { key, error })
    } finally {
      end()
      blocks.forget(file)
      await file.close()
    }
  }

  return {
    path,
    held,
    get noted() {
      return noted
    },
    note(note) {
      noted = { ...noted, ...note }
    },
    async write(offset, chunks) {
      demand('write', 'open')
      let bytes = 0
      for (const chunk of chunks) bytes += chunk.length
      writing++
      try {
        await file.write(chunks, offset)
        held.add(offset, offset + bytes)
      } finally {
        if (--writing === 0) {
          quiet?.resolve()
          quiet = undefined
        }
      }
      if (phase === 'open') wrote(bytes)
    },
    async read(into, position) {
      const length = Math.min(into.length, held.reach(position))
      if (length === 0) return 0
      const count = await file.read(into, length, position)
      if (count === 0) throw new Fault('disk-failed', { path, why: `it ends at ${position}, before bytes that were held` })
      return count
    },
    borrow: (position, end) => blocks.borrow(file, position, Math.min(end, position + held.reach(position))),
    forget(start, end) {
      held.remove(start, end)
      blocks.forget(file)
      forgotten++
      durable = durable.filter((range) => range.end <= start || range.start >= end)
      if (phase === 'open') journal.record(false)
    },
    reset: () => alone(reset),
    commit: (id) => alone(() => commit(id)),
    drop: () => alone(drop),
    retain: () => file.retain(),
    async [Symbol.asyncDispose]() {
      if (isDisposed) return
      isDisposed = true
      await alone(keep)
    },
  }
}
