import type { ByteSource } from '../model/byte-source.ts'

/** The same bytes; of a failure `tell` hears, and has done what it will, before the reader does. It must not reject. */
export function tellingFirst(bytes: ByteSource, tell: (error: unknown) => Promise<void>): ByteSource {
  async function told<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (error) {
      await tell(error)
      throw error
    }
  }

  const { borrow, locate, aim } = bytes
  return {
    get size() {
      return bytes.size
    },
    read: (into, position, signal) => told(bytes.read(into, position, signal)),
    ...(borrow && { borrow: (position, most, signal) => told(borrow.call(bytes, position, most, signal)) }),
    ...(locate && { locate: (position, most, signal) => told(locate.call(bytes, position, most, signal)) }),
    ...(aim && { aim: (start, end) => aim.call(bytes, start, end) }),
    [Symbol.asyncDispose]: () => bytes[Symbol.asyncDispose](),
  }
}
