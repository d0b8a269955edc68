/** Counts who uses something, for whoever may only end it when nobody does. */
export interface Uses {
  enter(): void
  leave(): void
  /** Settles when nobody uses it, at once where that is so. */
  over(): Promise<void>
}

export function createUses(): Uses {
  let count = 0
  let waiting: (() => void)[] = []

  return {
    enter() {
      count++
    },
    leave() {
      count--
      if (count > 0) return
      const woken = waiting
      waiting = []
      for (const go of woken) go()
    },
    over: () => (count === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
  }
}
