import { setTimeout as sleep } from 'node:timers/promises'
import { now } from '../now.ts'

/** One uplink for all who send: each waits for its turn, and all together never get more than the rate. */
export interface Pace {
  /** Settles when the line has carried so many bytes. */
  take(bytes: number): Promise<void>
}

// A sender that was woken too late may catch up with so much; after a longer gap the time is lost, as on a real line.
const slackMs = 50

export function createPace(bytesPerSecond: number): Pace {
  let free = 0 // when the line is free again, in monotonic ms
  return {
    async take(bytes) {
      const time = now()
      const turn = time - free <= slackMs ? free : time
      free = turn + (bytes * 1000) / bytesPerSecond
      const wait = free - time
      if (wait >= 1) await sleep(wait)
    },
  }
}
