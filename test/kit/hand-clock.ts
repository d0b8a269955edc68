import type { Clock } from '../../src/system/clock.ts'

/** A clock that stands still until a test moves it. */
export interface HandClock extends Clock {
  /** Moves time on, waking sleepers in the order of their times, and lets what they started run. */
  advance(ms: number): Promise<void>
  readonly sleepers: number
  /** Settles once at least `count` sleep. */
  asleep(count?: number): Promise<void>
}

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

export function createHandClock(startsAt = Date.UTC(2026, 5, 1)): HandClock {
  let now = startsAt
  let sleepers: readonly Sleeper[] = []
  let watchers: { readonly count: number; readonly tell: () => void }[] = []

  function add(sleeper: Sleeper): void {
    sleepers = [...sleepers, sleeper].sort((a, b) => a.at - b.at)
    const due = watchers.filter(({ count }) => sleepers.length >= count)
    watchers = watchers.filter((watcher) => !due.includes(watcher))
    for (const { tell } of due) tell()
  }

  function remove(sleeper: Sleeper): void {
    sleepers = sleepers.filter((other) => other !== sleeper)
  }

  return {
    now: () => now,
    sleep(ms, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      if (signal?.aborted) {
        reject(signal.reason)
        return promise
      }
      const leave = () => {
        remove(sleeper)
        reject(signal?.reason)
      }
      const sleeper: Sleeper = {
        at: now + ms,
        wake() {
          signal?.removeEventListener('abort', leave)
          resolve()
        },
      }
      signal?.addEventListener('abort', leave, { once: true })
      add(sleeper)
      return promise
    },
    async advance(ms) {
      const until = now + ms
      await settle()
      for (let next = sleepers[0]; next && next.at <= until; next = sleepers[0]) {
        now = Math.max(now, next.at)
        remove(next)
        next.wake()
        await settle()
      }
      now = until
      await settle()
    },
    get sleepers() {
      return sleepers.length
    },
    asleep(count = 1) {
      if (sleepers.length >= count) return Promise.resolve()
      const { promise, resolve } = Promise.withResolvers<void>()
      watchers.push({ count, tell: resolve })
      return promise
    },
  }
}

/** Promise reactions already due have run, some rounds of the loop deep. */
async function settle(): Promise<void> {
  for (let round = 0; round < 5; round++) await new Promise<void>((done) => setImmediate(done))
}
