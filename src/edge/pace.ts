import { setTimeout as sleep } from 'node:timers/promises'
import { createMemoryCache } from '../system/memory-cache.ts'
import type { Exchange } from './exchange.ts'

/** How fast one client is sent bodies, all its requests together. */
export interface Pace {
  /** As much as is handed over at once. */
  readonly most: number // bytes
  /** Settles when the client may be sent more; undefined: now. @throws the signal's reason */
  turn(exchange: Pick<Exchange, 'client' | 'signal'>): Promise<void> | undefined
  spend(client: string, bytes: number): void
}

interface Credit {
  bytes: number // may be owed
  at: number // ms, `performance.now()`
}

const clientsKept = 20_000
const usual = 1024 * 1024 // bytes
const least = 16 * 1024

export function createPace(bytesPerSecond: number): Pace {
  const credits = createMemoryCache<string, Credit>({ maxEntries: clientsKept })
  const most = Math.max(least, Math.min(usual, bytesPerSecond / 4))

  function creditOf(client: string): Credit {
    const now = performance.now()
    const credit = credits.get(client) ?? { bytes: most, at: now }
    credit.bytes = Math.min(most, credit.bytes + ((now - credit.at) * bytesPerSecond) / 1000)
    credit.at = now
    credits.set(client, credit)
    return credit
  }

  async function wait({ client, signal }: Pick<Exchange, 'client' | 'signal'>): Promise<void> {
    for (let { bytes } = creditOf(client); bytes <= 0; { bytes } = creditOf(client))
      await sleep(Math.ceil((-bytes * 1000) / bytesPerSecond) + 1, undefined, { signal, ref: false }).catch(() =>
        signal.throwIfAborted(),
      )
  }

  return {
    most,
    turn: (exchange) => (creditOf(exchange.client).bytes > 0 ? undefined : wait(exchange)),
    spend(client, bytes) {
      creditOf(client).bytes -= bytes
    },
  }
}
