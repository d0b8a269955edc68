/** Holds answers until a test lets them go on, byte by byte if it likes. */
export interface Gate {
  /** Settles when `count` requests (1) have come to the gate. */
  arrived(count?: number): Promise<void>
  /** How many have come. */
  readonly arrivals: number
  /** Lets the headers go. */
  headers(): void
  /** Lets headers and the first `bytes` of each held body go; never takes back. */
  release(bytes: number): void
  /** Settles when an answer at this gate has handed at least `bytes` of its body to the network. */
  sent(bytes: number): Promise<void>
  /** Lets everything go, also what comes later. */
  open(): void
}

/** The side of the answer that waits. */
export interface Latch {
  readonly gate: Gate
  arrive(): void
  headersMayGo(): Promise<void>
  /** How many bytes of a body may go in all, once that is more than `sent`. */
  mayGo(sent: number): Promise<number>
  tell(sent: number): void
}

export function createLatch(): Latch {
  let arrivals = 0
  let allowed = -1 // -1: not even the headers
  let furthest = 0
  let waiting: { readonly isDue: () => boolean; readonly go: () => void }[] = []

  function until(isDue: () => boolean): Promise<void> {
    if (isDue()) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.push({ isDue, go: resolve })
    return promise
  }

  function changed(): void {
    const due = waiting.filter(({ isDue }) => isDue())
    waiting = waiting.filter((one) => !due.includes(one))
    for (const { go } of due) go()
  }

  function allow(bytes: number): void {
    allowed = Math.max(allowed, bytes)
    changed()
  }

  return {
    gate: {
      arrived: (count = 1) => until(() => arrivals >= count),
      get arrivals() {
        return arrivals
      },
      headers: () => allow(0),
      release: allow,
      sent: (bytes) => until(() => furthest >= bytes),
      open: () => allow(Number.POSITIVE_INFINITY),
    },
    arrive() {
      arrivals++
      changed()
    },
    headersMayGo: () => until(() => allowed >= 0),
    async mayGo(sent) {
      await until(() => allowed > sent)
      return allowed
    },
    tell(sent) {
      furthest = Math.max(furthest, sent)
      changed()
    },
  }
}
