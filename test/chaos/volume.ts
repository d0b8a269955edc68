import { spawnSync } from 'node:child_process'
import { closeSync, ftruncateSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { tempFolder } from '../kit/temp-folder.ts'

/** A folder for a store: where this is root, on a small file system of its own that can be filled. */
export interface Volume extends AsyncDisposable {
  readonly store: string
  /** Why it cannot be filled; undefined where it can. */
  readonly unfilled: string | undefined
  /** Others take what is free, but for so many bytes. */
  squeeze(leave: number): void
  /** They let go of it. */
  release(): void
}

const step = Buffer.alloc(1024 * 1024)

export async function createVolume(bytes: number): Promise<Volume> {
  const folder = await tempFolder()
  const unfilled = mount(folder.path, bytes)
  const store = join(folder.path, 'store')
  await mkdir(store)
  const ballast = openSync(join(folder.path, 'ballast'), 'w')
  const leave = () => {
    if (unfilled === undefined) spawnSync('umount', ['-l', folder.path])
    rmSync(folder.path, { recursive: true, force: true })
  }
  process.once('exit', leave) // when a signal ends it

  function squeeze(left: number): void {
    if (unfilled !== undefined) return
    const { bavail, bsize } = statfsSync(folder.path)
    try {
      for (let over = bavail * bsize - left; over > 0; over -= step.length)
        writeSync(ballast, step, 0, Math.min(step.length, over))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error // the server was quicker
    }
  }

  return {
    store,
    unfilled,
    squeeze,
    release: () => ftruncateSync(ballast, 0),
    async [Symbol.asyncDispose]() {
      closeSync(ballast)
      process.off('exit', leave)
      leave()
    },
  }
}

/** Why it could not be mounted. */
function mount(path: string, bytes: number): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can mount a small file system'
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'forebay-chaos', path])
  return status === 0 ? undefined : `no small file system could be mounted (${String(stderr ?? 'no mount').trim()})`
}
