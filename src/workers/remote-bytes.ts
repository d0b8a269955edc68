import type { ByteSource, Lent } from '../model/byte-source.ts'
import { Fault } from '../model/fault.ts'
import type { Blocks } from '../system/blocks.ts'
import type { Channel } from '../system/channel.ts'
import { type OpenFile, openFile } from '../system/open-file.ts'
import type { Files, SharedFile } from './files.ts'
import type { Granted, Part, Shown } from './wire.ts'

export interface RemoteBytesDeps {
  readonly channel: Channel
  readonly files: Files
  readonly blocks: Blocks
}

const aheadBytes = 8 * 1024 * 1024 // asked for at once of what is still coming in
const partBytes = 256 * 1024

/**
 * Bytes that another process has open as `handle`. They are read from the file they lie in, of which it says how far; what lies
 * in none, or cannot be read there, it reads for us. Disposing has it let go.
 */
export function remoteBytes({ channel, files, blocks }: RemoteBytesDeps, shown: Shown): ByteSource {
  const handle = shown.handle!
  let size = shown.size
  let file: OpenFile | undefined
  let shared: SharedFile | undefined
  let granted = { from: 0, to: 0 } // what may be read from the file
  let isLocal = true
  let isGiven = false // of the file
  let wantedEnd = Number.POSITIVE_INFINITY
  let opening: Promise<void> | undefined

  async function openWhole(path: string): Promise<void> {
    shared = await files.open(path)
    file = shared?.file
    if (file) granted = { from: 0, to: size! }
    else isLocal = false
  }

  /**
   * May bytes at `position` be read from the file? False also at the end. Of what is coming in, the last that are wanted are
   * asked about anew, whatever was said before: it may have turned out to be wrong.
   */
  async function reaches(position: number, length: number, signal: AbortSignal): Promise<boolean> {
    if (shown.path !== undefined && !file && isLocal) {
      opening ??= openWhole(shown.path)
      await opening
    }
    if (!isLocal) return false
    const isLast = shown.path === undefined && position + length >= wantedEnd
    if (granted.from <= position && position < granted.to && !isLast) return true
    if (shown.path !== undefined) return false
    const most = Math.max(1, Math.min(aheadBytes, wantedEnd - position))
    const { path, count, size: told } = await channel.call<Granted>('locate', [handle, position, most], signal)
    size = told
    if (path === undefined) {
      isLocal = false
      return false
    }
    file ??= await openFile(path, 'read')
    if (!file) isLocal = false // it has another name by now
    granted = { from: position, to: position + count }
    return isLocal && count > 0
  }

  /** Undefined: it has to be read for us. */
  async function readHere(into: Uint8Array, position: number, signal: AbortSignal): Promise<number | undefined> {
    try {
      if (!(await reaches(position, into.length, signal))) return isLocal ? 0 : undefined
      const length = Math.min(into.length, granted.to - position)
      const count = await file!.read(into, length, position)
      if (count === 0)
        throw new Fault('disk-failed', { path: file!.path, why: `it ends at ${position}, before bytes that were held` })
      isGiven = true
      return count
    } catch (error) {
      if (!(error instanceof Fault) || error.code !== 'disk-failed') throw error
      // The other process finds out by itself what is wrong, and does what can be done.
      isLocal = false
      if (!isGiven) return undefined
      await readThere(into, position, signal)
      throw error
    }
  }

  async function readThere(into: Uint8Array, position: number, signal: AbortSignal): Promise<number> {
    const most = Math.min(into.length, partBytes)
    const { bytes, size: told } = await channel.call<Part>('read', [handle, position, most], signal)
    size = told
    into.set(bytes)
    return bytes.length
  }

  return {
    get size() {
      return size
    },
    async read(into, position, signal) {
      signal.throwIfAborted()
      return (isLocal ? await readHere(into, position, signal) : undefined) ?? readThere(into, position, signal)
    },
    async borrow(position, most, signal): Promise<Lent | undefined> {
      if (shown.path === undefined || !isLocal || !shared?.isShared() || !(await reaches(position, most, signal)))
        return undefined
      const lent = await blocks.borrow(shared.file, position, Math.min(granted.to, position + most))
      isGiven ||= lent !== undefined
      return lent
    },
    aim(start, end) {
      wantedEnd = end
      if (shown.path === undefined) channel.tell('aim', handle, start, end)
    },
    async [Symbol.asyncDispose]() {
      channel.tell('release', handle)
      await opening?.catch(() => {})
      if (shared) shared.release()
      else await file?.close()
    },
  }
}
