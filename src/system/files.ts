import { randomBytes, randomUUID } from 'node:crypto'
import type { Stats } from 'node:fs'
import { link, mkdir, open, opendir, readFile, rename, stat, statfs, unlink, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault } from '../model/fault.ts'

/** What is stored belongs to the user that the server runs as, and to nobody else. */
export const folderMode = 0o700
export const fileMode = 0o600

export interface FileState {
  readonly size: number // bytes
  readonly onDisk: number // bytes taken; less than the size where there are holes
  readonly changedAt: number // epoch ms
}

/** Wraps what the system said about a file: a full disk, quota or limit on files is `disk-full`, all else `disk-failed`. */
export function fileFault(error: unknown, path: string): Fault {
  if (error instanceof Fault) return error
  const code = codeOf(error)
  if (code === 'ENOSPC' || code === 'EDQUOT' || code === 'EFBIG') return new Fault('disk-full', { path }, { cause: error })
  const why = error instanceof Error ? error.message.split(',')[0]! : String(error) // the rest names the call and the path again
  return new Fault('disk-failed', { path, why }, { cause: error })
}

/**
 * Replaces a small file so that a crash leaves the old or the new content, never a part: written beside it, fsynced,
 * renamed, and the folder fsynced. The folder must be there.
 *
 * @throws Fault 'disk-full', 'disk-failed'
 */
export async function writeDurably(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(9).toString('hex')}.tmp`)
  try {
    await writeAndSync(temporary, content)
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw fileFault(error, path)
  }
}

/** The same where there is no such file; one that is there stays, whole. @throws Fault 'disk-full', 'disk-failed' */
export async function writeNew(path: string, content: Uint8Array | string): Promise<void> {
  const temporary = join(dirname(path), `.${randomBytes(9).toString('hex')}.tmp`)
  try {
    await writeAndSync(temporary, content)
    await link(temporary, path).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
    await syncFolder(dirname(path))
  } catch (error) {
    throw fileFault(error, path)
  } finally {
    await unlink(temporary).catch(() => {})
  }
}

/** Moves a file within a file system, over one that is there. The new name survives a crash; so may the old one. @throws Fault */
export async function moveDurably(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
    await syncFolder(dirname(to))
  } catch (error) {
    throw fileFault(error, to)
  }
}

/** Makes the folder and those above it that are missing, durably; their mode is 0700. @throws Fault */
export async function makeFolder(path: string): Promise<void> {
  try {
    const first = await mkdir(path, { recursive: true, mode: folderMode })
    if (first === undefined) return
    for (let made = path; ; made = dirname(made)) {
      await syncFolder(dirname(made))
      if (made === first || made === dirname(made)) return
    }
  } catch (error) {
    throw fileFault(error, path)
  }
}

/** Makes names in the folder survive a crash. @throws Fault */
export async function syncFolder(path: string): Promise<void> {
  try {
    const handle = await open(path, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    if (isCode(error, 'EINVAL', 'ENOTSUP')) return // some network file systems cannot, and there is no other way
    throw fileFault(error, path)
  }
}

/** Bytes that may still be written below the path. @throws Fault */
export async function freeBytes(path: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(path)
    return bavail * bsize
  } catch (error) {
    throw fileFault(error, path)
  }
}

/** Removes a file, never a folder; false when it is not there. @throws Fault */
export function removeFile(path: string): Promise<boolean> {
  return unlessMissing(path, false, async () => {
    await unlink(path)
    return true
  })
}

/** The content, or undefined when it is not there. @throws Fault 'too-large' past `limit` bytes, 'disk-failed' */
export function readSmallFile(path: string, limit: number): Promise<Buffer | undefined> {
  return unlessMissing(path, undefined, async () => {
    if ((await stat(path)).size > limit) throw new Fault('too-large', { what: path, limit })
    return await readFile(path)
  })
}

/** Undefined when there is no regular file of that name. @throws Fault */
export function statFile(path: string): Promise<FileState | undefined> {
  return unlessMissing(path, undefined, async () => {
    const found = await stat(path)
    return found.isFile() ? stateOf(found) : undefined
  })
}

export function stateOf(found: Stats): FileState {
  return { size: found.size, onDisk: found.blocks * 512, changedAt: Math.floor(found.mtimeMs) }
}

/** Sets the file's times (epoch ms); false when it is not there. @throws Fault */
export function setTimes(path: string, at: number): Promise<boolean> {
  return unlessMissing(path, false, async () => {
    await utimes(path, new Date(at), new Date(at))
    return true
  })
}

/**
 * Every regular file below, as a path relative to `root`, in no promised order; nothing when `root` is not there.
 * Symbolic links are not followed. What is removed meanwhile may appear or not.
 *
 * @throws Fault 'disk-failed'
 */
export async function* walk(root: string, below = ''): AsyncIterable<string> {
  const folder = await unlessMissing(root, undefined, () => opendir(join(root, below), { bufferSize: 256 }))
  if (!folder) return
  const folders: string[] = []
  try {
    for await (const entry of folder) {
      const name = below === '' ? entry.name : `${below}/${entry.name}`
      if (entry.isDirectory()) folders.push(name)
      else if (entry.isFile()) yield name
    }
  } catch (error) {
    throw fileFault(error, join(root, below))
  }
  for (const name of folders) yield* walk(root, name)
}

/**
 * Names this run of the machine: what was written but not synced may be believed only under the same name.
 * Where the system has none, each call makes a new one, so that nothing unsynced is believed.
 */
export async function readBootId(path = '/proc/sys/kernel/random/boot_id'): Promise<string> {
  const text = (await readFile(path, 'utf8').catch(() => '')).trim()
  return /^[0-9a-f-]{36}$/.test(text) ? text : randomUUID()
}

export function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return codes.includes(codeOf(error) ?? '')
}

async function writeAndSync(path: string, content: Uint8Array | string): Promise<void> {
  const handle = await open(path, 'wx', fileMode)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function unlessMissing<T>(path: string, missing: T, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isCode(error, 'ENOENT', 'ENOTDIR')) return missing
    throw fileFault(error, path)
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
