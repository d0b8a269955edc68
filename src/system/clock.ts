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

/** For how long something lasts: goes on as if nothing had been, when the system's clock is set forward or back. */
export const steadyClock: Clock = {
  now: () => Math.trunc(performance.timeOrigin + performance.now()),
  sleep: systemClock.sleep,
}
