/** A number of places, taken in the order of asking. */
export interface Places {
  /** Settles with the function that gives the place back; calling it again does nothing. Rejects with the signal's reason. */
  enter(signal: AbortSignal): Promise<() => void>
  readonly waiting: number
}

export function createPlaces(count: number): Places {
  const waiting: (() => void)[] = []
  let free = count

  function place(): () => void {
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      const next = waiting.shift()
      if (next) next()
      else free++
    }
  }

  return {
    get waiting() {
      return waiting.length
    },
    async enter(signal) {
      signal.throwIfAborted()
      if (free > 0) {
        free--
        return place()
      }
      const { promise, resolve, reject } = Promise.withResolvers<() => void>()
      const admit = () => {
        signal.removeEventListener('abort', leave)
        resolve(place())
      }
      const leave = () => {
        waiting.splice(waiting.indexOf(admit), 1)
        reject(signal.reason)
      }
      waiting.push(admit)
      signal.addEventListener('abort', leave, { once: true })
      return promise
    },
  }
}
