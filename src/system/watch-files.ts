import { stat } from 'node:fs/promises'
import type { Clock } from './clock.ts'

export interface WatchFilesDeps {
  readonly clock: Pick<Clock, 'sleep'>
  readonly everyMs: number
  /** They are others than before, and were the same twice: who writes several has probably written all. Never rejects. */
  readonly changed: () => Promise<void>
}

/**
 * Looks now and then rather than being told: that also sees files that are renamed over, links that lead elsewhere, and
 * what another machine writes. Settles once it has looked for the first time: whoever reads them after that misses no change.
 * The returned function stops it.
 */
export async function watchFiles(
  paths: readonly string[],
  { clock, everyMs, changed }: WatchFilesDeps,
): Promise<() => Promise<void>> {
  const control = new AbortController()
  const first = await stampOf(paths)

  async function watch(): Promise<void> {
    let known = first
    let last = known
    for (;;) {
      await clock.sleep(everyMs, control.signal)
      const now = await stampOf(paths)
      if (now !== known && now === last) {
        known = now
        await changed()
      }
      last = now
    }
  }

  const watching = paths.length === 0 ? Promise.resolve() : watch().catch(() => {})
  return () => {
    control.abort()
    return watching
  }
}

async function stampOf(paths: readonly string[]): Promise<string> {
  const stamps = await Promise.all(
    paths.map((path) =>
      stat(path, { bigint: true }).then(
        ({ ino, size, mtimeNs, ctimeNs }) => `${ino} ${size} ${mtimeNs} ${ctimeNs}`,
        () => 'nothing',
      ),
    ),
  )
  return stamps.join()
}
