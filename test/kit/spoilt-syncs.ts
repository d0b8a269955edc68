import type * as promises from 'node:fs/promises'

const spoilt = new Set<string>()

/** From now on, what is synced there is not: the disk says EIO. Needs the file system of `withSpoiltSyncs`. */
export function spoilSync(path: string): { heal(): void } {
  spoilt.add(path)
  return { heal: () => void spoilt.delete(path) }
}

/** For `vi.mock('node:fs/promises', …)`: the real one, but for what was spoilt. */
export function withSpoiltSyncs(real: typeof promises): typeof promises {
  const open: typeof promises.open = async (path, ...more) => {
    const handle = await real.open(path, ...more)
    if (spoilt.has(String(path)))
      handle.sync = async () => {
        throw Object.assign(new Error('EIO: i/o error, fsync'), { code: 'EIO', errno: -5, syscall: 'fsync' })
      }
    return handle
  }
  return { ...real, open }
}
