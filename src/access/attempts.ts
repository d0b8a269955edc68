import { Fault } from '../model/fault.ts'
import type { Clock } from '../system/clock.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import { networkOf } from '../system/networks.ts'

/** Keeps one address from trying passwords without end, and from keeping others waiting for theirs to be checked. */
export interface Attempts {
  /** Checks of one address come one after another. `work`: was it right? @throws Fault 'client-limited' */
  try(address: string, work: () => Promise<boolean>): Promise<boolean>
}

/** Logins that failed lately, by network: of all the processes that check some. */
export interface Failures {
  /** How long it has to wait until another may be tried; undefined: not at all. */
  patienceOf(network: string): Promise<number | undefined>
  add(network: string): Promise<void>
}

interface Tries {
  waiting: number
  last: Promise<unknown>
}

export const mostFailures = 10
const windowMs = 60_000
const mostWaiting = 64
const addressesKept = 10_000

export function createFailures(clock: Pick<Clock, 'now'>): Failures {
  const all = createMemoryCache<string, readonly number[]>({ maxEntries: addressesKept }) // epoch ms, oldest first
  const of = (network: string) => (all.get(network) ?? []).filter((at) => at > clock.now() - windowMs)

  return {
    async patienceOf(network) {
      const failedAt = of(network)
      return failedAt.length < mostFailures ? undefined : failedAt[0]! + windowMs - clock.now()
    },
    add: async (network) => void all.set(network, [...of(network), clock.now()].slice(-mostFailures)),
  }
}

export function createAttempts(failures: Failures): Attempts {
  const all = createMemoryCache<string, Tries>({ maxEntries: addressesKept })

  function of(network: string): Tries {
    const known = all.get(network) ?? { waiting: 0, last: Promise.resolve() }
    all.set(network, known)
    return known
  }

  /** @throws Fault 'client-limited' */
  async function demandPatience(network: string): Promise<void> {
    const retryAfterMs = await failures.patienceOf(network)
    if (retryAfterMs !== undefined)
      throw new Fault('client-limited', { what: `${mostFailures} logins failed within a minute`, retryAfterMs })
  }

  return {
    async try(address, work) {
      const network = networkOf(address)
      const tries = of(network)
      if (tries.waiting >= mostWaiting)
        throw new Fault('client-limited', { what: `${mostWaiting} logins wait to be checked`, retryAfterMs: 5_000 })
      const mine = tries.last.then(async () => {
        await demandPatience(network) // those before it may have failed
        const isRight = await work()
        if (!isRight) await failures.add(network)
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
