import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Waits until what a client writes into a directory has reached this many bytes. */
export async function grownTo(folder: string, size: number): Promise<void> {
  const limit = Date.now() + 60_000
  while (Date.now() < limit) {
    if ((await weight(folder)) >= size) return
    await sleep(20)
  }
  throw new Error(`${folder} did not reach ${size} bytes in a minute`)
}

async function weight(folder: string): Promise<number> {
  const names = await readdir(folder)
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(folder, name)).then(
        (found) => found.size,
        () => 0,
      ),
    ),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
