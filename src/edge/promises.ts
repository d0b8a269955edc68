import type { BlobId } from '../model/digest.ts'
import { type ImageReference, printReference } from '../model/reference.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import type { Exchange } from './exchange.ts'

/**
 * What clients were told that a name means. They ask by the name again for its file, and give up when that is another: a name
 * must mean the same to one client for a while.
 */
export interface Promises {
  give(client: Client, reference: ImageReference, id: BlobId): Promise<void>
  given(client: Client, reference: ImageReference): Promise<BlobId | undefined>
  /** The client was sent to the file by its digest, and asks for its size next. */
  sent(client: Client, reference: ImageReference): Promise<void>
  /** What that question is about; once. */
  asksAgain(client: Client, reference: ImageReference): Promise<BlobId | undefined>
}

export type Client = Pick<Exchange, 'client'>

interface Promised {
  readonly id: BlobId
  readonly isSent: boolean
}

const forMs = 5 * 60_000
const most = 20_000

export function createPromises(): Promises {
  const promised = createMemoryCache<string, Promised>({ maxEntries: most, ttlMs: forMs })
  const key = ({ client }: Client, reference: ImageReference) => `${client} ${printReference(reference)}`

  return {
    give: async (client, reference, id) => promised.set(key(client, reference), { id, isSent: false }),
    given: async (client, reference) => promised.get(key(client, reference))?.id,
    async sent(client, reference) {
      const one = promised.get(key(client, reference))
      if (one) promised.set(key(client, reference), { ...one, isSent: true })
    },
    async asksAgain(client, reference) {
      const one = promised.get(key(client, reference))
      return one?.isSent ? one.id : undefined
    },
  }
}
