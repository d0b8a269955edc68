import { close, constants, fdatasync, fstat, fsync, ftruncate, open, read, writev } from 'node:fs'
import { promisify } from 'node:util'
import { Fault } from '../model/fault.ts'
import { type FileState, fileFault, fileMode, isCode, stateOf } from './files.ts'

/**
 * An open file with users: whoever opened it, each `retain`, and each call under way. It is closed when the last one is
 * gone, so its number is never reused under a read. All positions are absolute; calls may run at the same time.
 */
export interface OpenFile {
  readonly path: string
  /** Up to `length` bytes; 0 only at the end. Settles when the kernel is done with `into`. @throws Fault 'disk-failed' */
  read(into: Uint8Array, length: number, position: number): Promise<number>
  /** All of the chunks, uncopied. @throws Fault 'disk-full', 'disk-failed' */
  write(chunks: readonly Uint8Array[], position: number): Promise<void>
  /** All of it is durable. @throws Fault */
  sync(): Promise<void>
  /** Content and length are durable, times may be not. @throws Fault */
  syncData(): Promise<void>
  truncate(size: number): Promise<void>
  state(): Promise<FileState>
  /** Another user, until the returned function is called. */
  retain(): () => void
  /** The opener lets go; calling it again does nothing. */
  close(): Promise<void>
}

const modes = { read: constants.O_RDONLY, write: constants.O_RDWR, create: constants.O_RDWR | constants.O_CREAT } as const
const openAsync = promisify(open)
const closeAsync = promisify(close)

/** Undefined when there is no such file; `create` makes it, with mode 0600. What is there is kept. @throws Fault */
export function openFile(path: string, mode: 'create'): Promise<OpenFile>
export function openFile(path: string, mode: 'read' | 'write'): Promise<OpenFile | undefined>
export async function openFile(path: string, mode: keyof typeof modes): Promise<OpenFile | undefined> {
  try {
    return shared(path, await openAsync(path, modes[mode], fileMode))
  } catch (error) {
    if (mode !== 'create' && isCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw fileFault(error, path)
  }
}

function shared(path: string, fd: number): OpenFile {
  let users = 1

  /** What close says comes too late to matter: `sync` has reported what it had to. */
  async function release(): Promise<void> {
    if (--users === 0) await closeAsync(fd).catch(() => {})
  }

  function once(): () => Promise<void> | undefined {
    let isHeld = true
    return () => {
      if (!isHeld) return undefined
      isHeld = false
      return release()
    }
  }

  function call<T>(begin: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (users === 0) return reject(new Fault('internal', { what: `${path} was used after it was closed` }))
      begin((error, value) => {
        void release()
        if (error) reject(fileFault(error, path))
        else resolve(value)
      })
      users++ // after `begin`, which may throw; its callback always comes later
    })
  }

  const letGo = once()
  return {
    path,
    read: (into, length, position) => call<number>((done) => read(fd, into, 0, length, position, done)),
    async write(chunks, position) {
      // Node writes wherever the file stands when the position is not a number it likes.
      if (!Number.isSafeInteger(position) || position < 0)
        throw new Fault('internal', { what: `write at ${position} to ${path}` })
      let rest = chunks
      let at = position
      for (let left = lengthOf(chunks); left > 0; ) {
        const written = await call<number>((done) => writev(fd, rest, at, done))
        if (written === 0) throw new Fault('disk-failed', { path, why: 'nothing could be written' })
        left -= written
        at += written
        if (left > 0) rest = after(rest, written)
      }
    },
    sync: () => call<void>((done) => fsync(fd, (error) => done(error, undefined))),
    syncData: () => call<void>((done) => fdatasync(fd, (error) => done(error, undefined))),
    truncate: (size) => call<void>((done) => ftruncate(fd, size, (error) => done(error, undefined))),
    state: async () => stateOf(await call((done) => fstat(fd, done))),
    retain() {
      if (users === 0) throw new Fault('internal', { what: `${path} was used after it was closed` })
      users++
      return once()
    },
    async close() {
      await letGo()
    },
  }
}

function lengthOf(chunks: readonly Uint8Array[]): number {
  let bytes = 0
  for (const chunk of chunks) bytes += chunk.length
  return bytes
}

/** What is left of the chunks once the first `count` bytes are gone. */
function after(chunks: readonly Uint8Array[], count: number): readonly Uint8Array[] {
  let skip = count
  const rest: Uint8Array[] = []
  for (const chunk of chunks) {
    if (skip < chunk.length) rest.push(chunk.subarray(skip))
    skip = Math.max(0, skip - chunk.length)
  }
  return rest
}
