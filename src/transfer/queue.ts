import { Fault } from '../model/fault.ts'

/** Lets `limit` work at once; the rest wait, served in turn by key so that one key's crowd does not starve another's. */
export interface Queue {
  /** Settles with the function that gives the place back. @throws Fault 'overloaded' when the queue is full; the signal's reason */
  enter(key: string, signal: AbortSignal): Promise<() => void>
  readonly waiting: number
  /** Those that are at work or wait now are not turned away by it. */
  setLimits(limit: number, maxWaiting: number): void
}

export function createQueue(firstLimit: number, firstMaxWaiting: number): Queue {
  const lines = new Map<string, Array<() => void>>()
  let limit = firstLimit
  let maxWaiting = firstMaxWaiting
  let free = limit // less than 0 where more are at work than now may be
  let waiting = 0

  function next(): void {
    if (free < 0) {
      free++
      return
    }
    for (const [key, line] of lines) {
      const admit = line.shift()
      lines.delete(key) // and behind the others again, if somebody of this key still waits
      if (line.length > 0) lines.set(key, line)
      if (admit) {
        admit()
        return
      }
    }
    free++
  }

  function place(): () => void {
    let isHeld = true
    return () => {
      if (isHeld) next()
      isHeld = false
    }
  }

  function wait(key: string, signal: AbortSignal): Promise<() => void> {
    const { promise, resolve, reject } = Promise.withResolvers<() => void>()
    const line = lines.get(key) ?? []
    const admit = () => {
      waiting--
      signal.removeEventListener('abort', leave)
      resolve(place())
    }
    const leave = () => {
      waiting--
      line.splice(line.indexOf(admit), 1)
      if (line.length === 0) lines.delete(key)
      reject(signal.reason)
    }
    lines.set(key, line)
    line.push(admit)
    waiting++
    signal.addEventListener('abort', leave, { once: true })
    return promise
  }

  return {
    get waiting() {
      return waiting
    },
    setLimits(nextLimit, nextMaxWaiting) {
      const more = nextLimit - limit
      limit = nextLimit
      maxWaiting = nextMaxWaiting
      free += Math.min(0, more)
      for (let at = 0; at < more; at++) next()
    },
    async enter(key, signal) {
      signal.throwIfAborted()
      if (free > 0) {
        free--
        return place()
      }
      if (waiting >= maxWaiting) throw new Fault('overloaded', { what: `${waiting} fills wait already`, retryAfterMs: 10_000 })
      return wait(key, signal)
    },
  }
}
