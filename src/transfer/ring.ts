/** The last bytes of a stream, in a piece of memory that is written around and around. */
export interface Ring {
  readonly start: number // of what is still there
  readonly front: number
  /** No more than fits. */
  put(part: Uint8Array): void
  /** How many of the bytes at `position` were copied: those up to the front that `into` has room for. */
  read(into: Uint8Array, position: number): number
  /** The first bytes, while they are there. */
  first(end: number): Uint8Array
  /** Begins again from nothing. */
  reset(): void
}

export function createRing(capacity: number): Ring {
  const memory = Buffer.allocUnsafeSlow(capacity)
  let front = 0
  const start = () => Math.max(0, front - capacity)

  return {
    get start() {
      return start()
    },
    get front() {
      return front
    },
    put(part) {
      const at = front % capacity
      const first = Math.min(part.length, capacity - at)
      memory.set(part.subarray(0, first), at)
      memory.set(part.subarray(first), 0)
      front += part.length
    },
    read(into, position) {
      const count = Math.min(front - position, into.length)
      const at = position % capacity
      const first = memory.subarray(at, Math.min(capacity, at + count))
      into.set(first)
      into.set(memory.subarray(0, count - first.length), first.length)
      return count
    },
    first: (end) => memory.subarray(0, end),
    reset() {
      front = 0
    },
  }
}
