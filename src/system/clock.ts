import { setTimeout as sleep } from 'node:timers/promises'

export interface Clock {
  /** Epoch ms. */
  now(): number
  /** Rejects with the signal's reason. Does not keep the process alive. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal, ref: false }),
}
