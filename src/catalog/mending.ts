import type { ByteSource } from '../model/byte-source.ts'
import { Fault, isFault } from '../model/fault.ts'

/**
 * Held bytes; where the disk fails before the first of them was given, those that `instead` finds, if they are as many.
 * Later nothing can be done but to break off: nobody can say what was given.
 */
export function mending(held: ByteSource, instead: () => Promise<ByteSource>): ByteSource {
  let now = held
  let isGiven = false
  let isOver = false
  let wanted: { readonly start: number; readonly end: number } | undefined

  async function replace(): Promise<void> {
    const other = await instead()
    if (isOver || other.size !== held.size) {
      await other[Symbol.asyncDispose]()
      throw new Fault('source-changed', { url: 'another source', why: `it has ${other.size} bytes where ${held.size} were held` })
    }
    now = other
    await held[Symbol.asyncDispose]()
    if (wanted) now.aim?.(wanted.start, wanted.end)
  }

  async function mended<T>(work: (bytes: ByteSource) => Promise<T>): Promise<T> {
    try {
      return await work(now)
    } catch (error) {
      if (isGiven || now !== held || !isFault(error, 'disk-failed')) throw error
      await replace()
      return work(now)
    }
  }

  return {
    size: held.size,
    aim(start, end) {
      wanted = { start, end }
      now.aim?.(start, end)
    },
    async read(into, position, signal) {
      const count = await mended((bytes) => bytes.read(into, position, signal))
      isGiven ||= count > 0
      return count
    },
    async borrow(position, most, signal) {
      const lent = await mended(async (bytes) => bytes.borrow?.(position, most, signal))
      isGiven ||= lent !== undefined
      return lent
    },
    // Whoever cannot read them there reads them here, and is told of them as of the first.
    locate: (position, most, signal) => mended(async (bytes) => bytes.locate?.(position, most, signal)),
    async [Symbol.asyncDispose]() {
      isOver = true
      await now[Symbol.asyncDispose]()
    },
  }
}
