/** Memory for bodies on their way from disk to socket, bounded but for the small ones. */
export interface Buffers {
  /** The largest that is to be had. */
  take(): Uint8Array
  takeSmall(): Uint8Array
  /** Once neither disk nor socket holds it. */
  give(buffer: Uint8Array): void
}

/** How many there may be of each size, and how many of them are kept while nobody needs them; largest first. */
export interface BufferPlan {
  readonly bytes: number
  readonly most: number
  readonly mostIdle: number
}

export const small = 64 * 1024 // bytes
const mostSmallIdle = 64

/** A megabyte at a time is the fastest for few clients, measured; many clients of it would take too much memory. */
export const bufferPlan: readonly BufferPlan[] = [
  { bytes: 1024 * 1024, most: 8, mostIdle: 4 },
  { bytes: 256 * 1024, most: 32, mostIdle: 8 },
]

export function createBuffers(plan: readonly BufferPlan[]): Buffers {
  const shelves = plan.map((one) => ({ ...one, made: 0, idle: [] as Uint8Array[] }))
  const idleSmall: Uint8Array[] = []

  const takeSmall = () => idleSmall.pop() ?? Buffer.allocUnsafeSlow(small)

  return {
    take() {
      for (const shelf of shelves) {
        const idle = shelf.idle.pop()
        if (idle) return idle
        if (shelf.made < shelf.most) {
          shelf.made++
          return Buffer.allocUnsafeSlow(shelf.bytes)
        }
      }
      return takeSmall()
    },
    takeSmall,
    give(buffer) {
      const shelf = shelves.find(({ bytes }) => bytes === buffer.length)
      if (shelf && shelf.idle.length < shelf.mostIdle) shelf.idle.push(buffer)
      else if (shelf) shelf.made--
      else if (idleSmall.length < mostSmallIdle) idleSmall.push(buffer)
    },
  }
}
