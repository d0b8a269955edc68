import { Fault } from '../model/fault.ts'
import type { Clock } from '../system/clock.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import { networkOf } from '../system/networks.ts'

/** Keeps one address from trying passwords without end, and from keeping others waiting for theirs to be checked. */
export interface Attempts {
  /** Checks of one address come one after another. `work`: was it right? @throws Fault 'client-limited' */
  try(address: string, work: () => Promise<boolean>): Promise<boolean>
}

interface Tries {
  failedAt: readonly number[] // epoch ms, oldest first
  waiting: number
  last: Promise<unknown>
}

export const mostFailures = 10
const windowMs = 60_000
const mostWaiting = 64
const addressesKept = 10_000

export function createAttempts(clock: Pick<Clock, 'now'>): Attempts {
  const all = createMemoryCache<string, Tries>({ maxEntries: addressesKept })

  function of(key: string): Tries {
    const known = all.get(key) ?? { failedAt: [], waiting: 0, last: Promise.resolve() }
    all.set(key, known)
    return known
  }

  /** @throws Fault 'client-limited' */
  function demandPatience(tries: Tries): void {
    const now = clock.now()
    tries.failedAt = tries.failedAt.filter((at) => at > now - windowMs)
    if (tries.failedAt.length < mostFailures) return
    const retryAfterMs = tries.failedAt[0]! + windowMs - now
    throw new Fault('client-limited', { what: `${mostFailures} logins failed within a minute`, retryAfterMs })
  }

  return {
    async try(address, work) {
      const tries = of(networkOf(address))
      demandPatience(tries)
      if (tries.waiting >= mostWaiting)
        throw new Fault('client-limited', { what: `${mostWaiting} logins wait to be checked`, retryAfterMs: 5_000 })
      const mine = tries.last.then(async () => {
        demandPatience(tries) // those before it may have failed
        const isRight = await work()
        if (!isRight) tries.failedAt = [...tries.failedAt, clock.now()]
        return isRight
      })
      tries.waiting++
      tries.last = mine.catch(() => {})
      try {
        return await mine
      } finally {
        tries.waiting--
      }
    },
  }
}
