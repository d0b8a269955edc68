import type { OnReadOpts, Socket } from 'node:net'

/**
 * Memory that connections receive into, used again as soon as its bytes have been taken. Without it every read from an
 * upstream is a new allocation, and collecting those takes longer than receiving them.
 */
export interface ReceiveBuffers {
  /** The `onread` of a connection whose bytes are then read as those of any stream. */
  readonly onread: OnReadOpts
  /** Nobody needs the chunk's bytes any more. Chunks that are not whole buffers of this pool are left to the collector. */
  release(chunk: Uint8Array): void
}

const bufferBytes = 256 * 1024 // of one read
const mostIdle = 16

export function createReceiveBuffers(): ReceiveBuffers {
  const idle: Uint8Array[] = []
  const filled = new WeakMap<ArrayBufferLike, number>() // bytes in buffers that are with a reader

  function give(buffer: Uint8Array): void {
    if (idle.length < mostIdle) idle.push(buffer)
  }

  return {
    onread: {
      buffer: () => idle.pop() ?? Buffer.allocUnsafeSlow(bufferBytes),
      // Node calls it on the socket. False stops reading until the stream wants more.
      callback(this: Socket, length: number, buffer: Uint8Array) {
        // A slow line would hold a whole buffer for each few bytes.
        if (length < bufferBytes / 8) {
          const copy = Buffer.from(buffer.subarray(0, length))
          give(buffer)
          return this.push(copy)
        }
        filled.set(buffer.buffer, length)
        return this.push(buffer.subarray(0, length))
      },
    },
    release(chunk) {
      // Part of a buffer is not enough: what else lies in it may belong to somebody.
      if (chunk.byteOffset !== 0 || filled.get(chunk.buffer) !== chunk.length) return
      filled.delete(chunk.buffer)
      give(new Uint8Array(chunk.buffer))
    },
  }
}
