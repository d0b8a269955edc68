import { median } from '../report/statistics.ts'
import type { Pull, Pulled, Target } from './pull.ts'

/** What a number of clients that asked at once were given, each the whole. Times are monotonic milliseconds. */
export interface Herd {
  readonly pulls: readonly Pulled[]
  readonly startedAt: number
  readonly endedAt: number // of the last one
  readonly bytes: number // received by all
}

export interface HerdOptions {
  readonly clients: number
  readonly size: number // bytes, that each must get
  /** One of the clients checks that the bytes have this digest. */
  readonly digest?: string
  readonly withinMs: number
}

/** @throws when any client got anything but the whole, or it takes too long */
export async function pullTogether(pull: Pull, target: Target, { clients, size, digest, withinMs }: HerdOptions): Promise<Herd> {
  const signal = AbortSignal.timeout(withinMs)
  const pulls = await Promise.all(
    Array.from({ length: clients }, (_, index) => pull(target, { signal, hash: digest !== undefined && index === 0 })),
  )
  const wrong = pulls.find(({ bytes }) => bytes !== size)
  if (wrong) throw new Error(`a client got ${wrong.bytes} of ${size} bytes`)
  if (digest !== undefined && pulls[0]!.digest !== digest) throw new Error(`a client got ${pulls[0]!.digest} for ${digest}`)
  return {
    pulls,
    startedAt: Math.min(...pulls.map(({ startedAt }) => startedAt)),
    endedAt: Math.max(...pulls.map(({ endedAt }) => endedAt)),
    bytes: clients * size,
  }
}

export const secondsOf = ({ startedAt, endedAt }: Herd): number => (endedAt - startedAt) / 1000

/** Time from `since`, or from each client's own start, to the first byte of a body: the middle client and the last. */
export function firstByteOf({ pulls }: Herd, since?: number): { median: number; worst: number } {
  const waits = pulls.map(({ firstByteAt, startedAt }) => firstByteAt - (since ?? startedAt))
  return { median: median(waits), worst: Math.max(...waits) }
}
