import { type Clock, systemClock } from '../../src/system/clock.ts'

/** The real time, but pauses are `factor` times as short: for waits that a test does not want to sit through. */
export function createHurriedClock(factor: number): Clock {
  return { now: systemClock.now, sleep: (ms, signal) => systemClock.sleep(ms / factor, signal) }
}
