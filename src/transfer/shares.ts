import type { Clock } from '../system/clock.ts'

/** A rate that those who take part share fairly: who was given less comes first, however large its parts are. */
export interface Shares {
  /** Settles when so many bytes are paid for. @throws the signal's reason */
  take(who: string, bytes: number, signal: AbortSignal): Promise<void>
  /** Infinity: nobody waits. */
  setRate(bytesPerSecond: number): void
}

interface Line {
  given: number // bytes, by the reckoning of all lines: who was away has saved up nothing
  readonly waiting: Waiting[]
}

interface Waiting {
  readonly bytes: number
  readonly admit: () => void
}

const burstMs = 100
const linesKept = 100

export function createShares(first: number, clock: Pick<Clock, 'now' | 'sleep'>): Shares {
  const lines = new Map<string, Line>()
  let rate = first
  let credit = 0 // bytes; less than 0 where more was given than was there
  let at = clock.now()
  let floor = 0 // what the last one had been given before its turn
  let waiting = 0
  let isPouring = false
  let woken = new AbortController()

  function refill(): void {
    const now = clock.now()
    const isEndless = rate === Number.POSITIVE_INFINITY
    credit = isEndless ? rate : Math.min((rate * burstMs) / 1000, credit + (rate * (now - at)) / 1000)
    at = now
  }

  function lineOf(who: string): Line {
    if (lines.size >= linesKept)
      for (const [key, line] of lines) if (line.waiting.length === 0 && line.given <= floor) lines.delete(key)
    const line = lines.get(who) ?? { given: floor, waiting: [] }
    line.given = Math.max(line.given, floor)
    lines.set(who, line)
    return line
  }

  function give(line: Line, bytes: number): void {
    floor = Math.max(floor, line.given)
    line.given += bytes
    credit -= bytes
  }

  function admitNext(): void {
    let least: Line | undefined
    for (const line of lines.values()) if (line.waiting.length > 0 && !(least && least.given <= line.given)) least = line
    const { bytes, admit } = least!.waiting.shift()!
    waiting--
    give(least!, bytes)
    admit()
  }

  async function pour(): Promise<void> {
    if (isPouring) return
    isPouring = true
    while (waiting > 0) {
      refill()
      while (credit > 0 && waiting > 0) admitNext()
      const pauseMs = Math.max(1, Math.ceil((-credit * 1000) / rate))
      if (waiting > 0) await clock.sleep(pauseMs, woken.signal).catch(() => {})
    }
    isPouring = false
  }

  function wait(line: Line, bytes: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const leave = () => {
      line.waiting.splice(line.waiting.indexOf(one), 1)
      waiting--
      reject(signal.reason)
    }
    const one: Waiting = {
      bytes,
      admit() {
        signal.removeEventListener('abort', leave)
        resolve()
      },
    }
    line.waiting.push(one)
    waiting++
    signal.addEventListener('abort', leave, { once: true })
    void pour()
    return promise
  }

  return {
    async take(who, bytes, signal) {
      signal.throwIfAborted()
      refill()
      const line = lineOf(who)
      if (waiting > 0 || credit <= 0) return wait(line, bytes, signal)
      give(line, bytes)
    },
    setRate(bytesPerSecond) {
      refill()
      rate = bytesPerSecond
      woken.abort()
      woken = new AbortController()
    },
  }
}
