import { dirname } from 'node:path'
import { removeFile, syncFolder, writeDurably } from '../system/files.ts'
import type { Logger } from '../system/log.ts'
import { type OpenFile, openFile } from '../system/open-file.ts'
import { type JournalState, printHeader, printState } from './journal.ts'

/**
 * Writes a spool's journal behind its back. A journal that cannot be written costs a resume, not the fill: errors are
 * logged, except that a journal which must go and does not is an error.
 */
export interface SpoolJournal {
  /** Writes the state down soon. `isLasting` makes it survive a restart of the machine. */
  record(isLasting: boolean): void
  /** Waits for what was recorded and closes the file. */
  close(): Promise<void>
  /** Deletes it; a later `record` begins anew. @throws Fault 'disk-failed' */
  remove(): Promise<void>
}

export interface SpoolJournalDeps {
  readonly path: string
  readonly key: string
  readonly bootId: string
  /** An earlier run left one. It stays true until replaced, but its last line may be torn. */
  readonly isThere: boolean
  /** Asked when a line is about to be written, so that states recorded faster than the disk are skipped. */
  readonly state: () => JournalState
  readonly log: Logger
}

const rewriteAt = 1024 * 1024 // bytes

export function createSpoolJournal({ path, key, bootId, isThere, state, log }: SpoolJournalDeps): SpoolJournal {
  let mustReplace = isThere
  let file: OpenFile | undefined
  let end = 0
  let isNameLasting = false
  let next: { isLasting: boolean } | undefined
  let running: Promise<void> | undefined

  async function append(text: string): Promise<void> {
    file ??= await openFile(path, 'create')
    const bytes = Buffer.from(text)
    await file.write([bytes], end) // where a torn line began, if the last write failed
    end += bytes.length
  }

  /** One line instead of all: replaced as a whole, as the old lines are good until the new file is. */
  async function replace(): Promise<void> {
    await closeFile()
    const text = printHeader(key, bootId) + printState(state())
    await writeDurably(path, text)
    mustReplace = false
    isNameLasting = true
    end = Buffer.byteLength(text)
  }

  async function write(isLasting: boolean): Promise<void> {
    if (mustReplace || end > rewriteAt) return replace()
    await append((end === 0 ? printHeader(key, bootId) : '') + printState(state()))
    if (!isLasting) return
    await file?.sync()
    if (!isNameLasting) await syncFolder(dirname(path))
    isNameLasting = true
  }

  async function run(): Promise<void> {
    while (next) {
      const { isLasting } = next
      next = undefined
      try {
        await write(isLasting)
      } catch (error) {
        log.warn('spool.journal', { key, path, error })
      }
    }
    running = undefined
  }

  async function closeFile(): Promise<void> {
    const last = file
    file = undefined
    await last?.close()
  }

  return {
    record(isLasting) {
      next = { isLasting: isLasting || (next?.isLasting ?? false) }
      running ??= run()
    },
    async close() {
      await running
      await closeFile()
    },
    async remove() {
      next = undefined
      await running
      await closeFile()
      await removeFile(path)
      mustReplace = isNameLasting = false
      end = 0
    },
  }
}
