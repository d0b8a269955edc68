import { setTimeout as sleep } from 'node:timers/promises'
import { createMemoryCache } from '../system/memory-cache.ts'
import type { Exchange } from './exchange.ts'

/** How fast bodies are sent: to one client, all its requests together, and in all. */
export interface Pace {
  /** As much as is handed over at once. */
  readonly most: number // bytes
  /** Settles when the client may be sent more; undefined: now. @throws the signal's reason */
  turn(exchange: Pick<Exchange, 'client' | 'signal'>): Promise<void> | undefined
  spend(client: string, bytes: number): void
}

/** Bytes a second; undefined: as fast as they are read. */
export interface Rates {
  readonly perClient: number | undefined
  readonly inAll: number | undefined
}

interface Credit {
  bytes: number // may be owed
  at: number // ms, `performance.now()`
}

const clientsKept = 20_000
const usual = 1024 * 1024 // bytes
const least = 16 * 1024
const everybody = ''

/** Undefined where nothing is limited. */
export function createPace({ perClient, inAll }: Rates): Pace | undefined {
  if (perClient === undefined && inAll === undefined) return undefined
  const ofClients = perClient === undefined ? undefined : createAccounts(perClient)
  const ofAll = inAll === undefined ? undefined : createAccounts(inAll)

  let waiting = 0 // for what all share
  let last: Promise<void> = Promise.resolve()

  async function wait({ client, signal }: Pick<Exchange, 'client' | 'signal'>): Promise<void> {
    if (ofClients?.owes(client)) await ofClients.paid(client, signal)
    if (!ofAll) return
    // One after the other, so that nobody is passed over.
    waiting++
    const mine = last.then(() => ofAll.paid(everybody, signal)).finally(() => waiting--)
    last = mine.catch(() => {})
    await mine
  }

  const mayGoOn = (client: string) => waiting === 0 && !ofClients?.owes(client) && !ofAll?.owes(everybody)

  return {
    most: Math.min(ofClients?.most ?? usual, ofAll?.most ?? usual),
    turn: (exchange) => (mayGoOn(exchange.client) ? undefined : wait(exchange)),
    spend(client, bytes) {
      ofClients?.spend(client, bytes)
      ofAll?.spend(everybody, bytes)
    },
  }
}

function createAccounts(bytesPerSecond: number) {
  const credits = createMemoryCache<string, Credit>({ maxEntries: clientsKept })
  const most = Math.max(least, Math.min(usual, bytesPerSecond / 4))

  function creditOf(name: string): Credit {
    const now = performance.now()
    const credit = credits.get(name) ?? { bytes: most, at: now }
    credit.bytes = Math.min(most, credit.bytes + ((now - credit.at) * bytesPerSecond) / 1000)
    credit.at = now
    credits.set(name, credit)
    return credit
  }

  return {
    most,
    owes: (name: string) => creditOf(name).bytes <= 0,
    /** Settles when more may be sent. @throws the signal's reason */
    async paid(name: string, signal: AbortSignal): Promise<void> {
      signal.throwIfAborted()
      for (let { bytes } = creditOf(name); bytes <= 0; { bytes } = creditOf(name))
        await sleep(Math.ceil((-bytes * 1000) / bytesPerSecond) + 1, undefined, { signal, ref: false }).catch(() =>
          signal.throwIfAborted(),
        )
    },
    spend(name: string, bytes: number) {
      creditOf(name).bytes -= bytes
    },
  }
}
