import type { Clock } from '../system/clock.ts'

/** How long something goes on for nobody. */
export interface Linger {
  /** Call it whenever somebody came or left. */
  update(isWanted: boolean): void
}

/** `over` is called once nobody wanted it for `lingerMs` on end. */
export function createLinger(clock: Clock, lingerMs: number, over: () => void): Linger {
  let waiting: AbortController | undefined

  return {
    update(isWanted) {
      waiting?.abort()
      waiting = undefined
      if (isWanted) return
      waiting = new AbortController()
      clock.sleep(lingerMs, waiting.signal).then(over, () => {})
    },
  }
}
