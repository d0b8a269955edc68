import type { ByteSource } from '../model/byte-source.ts'
import { Fault } from '../model/fault.ts'
import type { Blocks } from '../system/blocks.ts'
import type { OpenBlob } from './open-blobs.ts'

/** A blob on disk as a reader has it. Disposing lets go of the file. */
export function blobSource({ file, size, isShared, release }: OpenBlob, blocks: Blocks): ByteSource {
  let isOpen = true

  function demandOpen(signal: AbortSignal): void {
    signal.throwIfAborted()
    if (!isOpen) throw new Fault('internal', { what: `${file.path} was read after it was let go` })
  }

  return {
    size,
    async read(into, position, signal) {
      demandOpen(signal)
      const length = Math.min(into.length, size - position)
      if (length <= 0) return 0
      let count = 0
      while (count < length) {
        const more = await file.read(count === 0 ? into : into.subarray(count), length - count, position + count)
        // Told before any of it is given: that there is less than there was would look like the end of the blob.
        if (more === 0) throw new Fault('disk-failed', { path: file.path, why: `it ends at ${position + count} of ${size}` })
        count += more
      }
      return count
    },
    async borrow(position, most, signal) {
      demandOpen(signal)
      return isShared() && position < size ? blocks.borrow(file, position, Math.min(size, position + most)) : undefined
    },
    async locate(position, most, signal) {
      demandOpen(signal)
      return { path: file.path, count: Math.max(0, Math.min(most, size - position)) }
    },
    async [Symbol.asyncDispose]() {
      isOpen = false
      release()
    },
  }
}
