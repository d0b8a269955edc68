import { randomUUID } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { chmod, copyFile, rename, rm } from 'node:fs/promises'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Fault } from '../model/fault.ts'
import { fileFault } from '../system/files.ts'

/** Copies a blob to where somebody wants it, whole or not at all; shares its disk blocks where the file system can. @throws Fault */
export async function copyTo(file: string, blob: string): Promise<void> {
  const temporary = `${file}.${randomUUID()}.part`
  try {
    await copyFile(blob, temporary, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
    await chmod(temporary, 0o666 & ~process.umask()) // the store's own mode is for nobody else
    await rename(temporary, file)
  } catch (error) {
    await rm(temporary, { force: true })
    throw fileFault(error, file)
  }
}

/** Writes a blob to a stream that stays open. @throws Fault */
export async function writeTo(stream: Writable, blob: string, signal: AbortSignal): Promise<void> {
  try {
    await pipeline(createReadStream(blob, { highWaterMark: 256 * 1024 }), stream, { end: false, signal })
  } catch (error) {
    if (signal.aborted) throw new Fault('cancelled', { what: 'writing it out' }, { cause: error })
    throw fileFault(error, 'standard output')
  }
}
