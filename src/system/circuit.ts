import { Fault } from '../model/fault.ts'
import type { Clock } from './clock.ts'

const opensAfter = 5 // failures in a row
const firstPauseMs = 2_000
const longestPauseMs = 60_000

/** Stops asking a place that keeps failing; after a pause lets one question through to see. */
export interface Circuit {
  /** @throws Fault 'upstream-unreachable' while open */
  run<T>(work: () => Promise<T>): Promise<T>
  readonly isOpen: boolean
}

export function createCircuit(deps: {
  clock: Pick<Clock, 'now'>
  name: string
  isFailure: (error: unknown) => boolean
}): Circuit {
  let failures = 0
  let openedAt = 0
  let pauseMs = 0
  let isProbing = false

  const isOpen = () => pauseMs > 0 && (isProbing || deps.clock.now() < openedAt + pauseMs)

  function failed(isProbe: boolean): void {
    failures++
    // What was under way when it opened says nothing new.
    if (failures < opensAfter || (pauseMs > 0 && !isProbe)) return
    openedAt = deps.clock.now()
    pauseMs = Math.min(longestPauseMs, pauseMs === 0 ? firstPauseMs : pauseMs * 2)
  }

  return {
    get isOpen() {
      return isOpen()
    },
    async run(work) {
      if (isOpen()) {
        const since = new Date(openedAt).toISOString()
        throw new Fault('upstream-unreachable', {
          url: deps.name,
          why: `it failed ${failures} times in a row and is left alone for a moment, since ${since}`,
        })
      }
      const isProbe = pauseMs > 0
      if (isProbe) isProbing = true
      try {
        const result = await work()
        failures = pauseMs = 0
        return result
      } catch (error) {
        if (deps.isFailure(error)) failed(isProbe)
        throw error
      } finally {
        if (isProbe) isProbing = false
      }
    },
  }
}
