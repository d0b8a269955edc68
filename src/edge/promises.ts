import type { BlobId } from '../model/digest.ts'
import { type ImageReference, printReference } from '../model/reference.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import type { Exchange } from './exchange.ts'

/**
 * What clients were told that a name means. They ask by the name again for its file, and give up when that is another: a name
 * must mean the same to one client for a while.
 */
export interface Promises {
  give(exchange: Exchange, reference: ImageReference, id: BlobId): void
  given(exchange: Exchange, reference: ImageReference): BlobId | undefined
  /** The client was sent to the file by its digest, and asks for its size next. */
  sent(exchange: Exchange, reference: ImageReference): void
  /** What that question is about; once. */
  asksAgain(exchange: Exchange, reference: ImageReference): BlobId | undefined
}

interface Promised {
  readonly id: BlobId
  readonly isSent: boolean
}

const forMs = 5 * 60_000
const most = 20_000

export function createPromises(): Promises {
  const promised = createMemoryCache<string, Promised>({ maxEntries: most, ttlMs: forMs })
  const key = ({ client }: Exchange, reference: ImageReference) => `${client} ${printReference(reference)}`

  return {
    give: (exchange, reference, id) => promised.set(key(exchange, reference), { id, isSent: false }),
    given: (exchange, reference) => promised.get(key(exchange, reference))?.id,
    sent(exchange, reference) {
      const one = promised.get(key(exchange, reference))
      if (one) promised.set(key(exchange, reference), { ...one, isSent: true })
    },
    asksAgain(exchange, reference) {
      const one = promised.get(key(exchange, reference))
      return one?.isSent ? one.id : undefined
    },
  }
}
