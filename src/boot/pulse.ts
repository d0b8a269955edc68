import type { Clock } from '../system/clock.ts'

const beatMs = 3_000
const mostMissed = 5 // in a row
const mostMissedAtFirst = 20 // while it starts

/**
 * Settles with true once nothing has answered for too long, with false when the signal aborts before that. Beats are counted,
 * and not time: when this process itself was stopped for a while, only one of them was missed.
 */
export async function pulseIsLost(ping: () => Promise<void>, clock: Pick<Clock, 'sleep'>, signal: AbortSignal): Promise<boolean> {
  let most = mostMissedAtFirst
  let missed = 0
  let isAsked = false

  function answered(): void {
    isAsked = false
    missed = 0
    most = mostMissed
  }

  for (; missed < most; missed += isAsked ? 1 : 0) {
    if (!isAsked) {
      isAsked = true
      ping().then(answered, () => {}) // whose line is gone will not answer
    }
    try {
      await clock.sleep(beatMs, signal)
    } catch {
      return false
    }
  }
  return true
}
