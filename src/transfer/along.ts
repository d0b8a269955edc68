import type { Algorithm } from '../model/digest.ts'
import type { Hashed, Hasher, Hashing } from '../system/hasher.ts'

/** The hasher as one more reader of a spool, in order from the first byte, behind the front of what is right. */
export interface Along {
  advance(front: number): void
  /** Bytes from here on are others now: what was hashed of them is hashed again. */
  retreat(from: number): void
  finish(size: number): Promise<Hashed>
  cancel(): void
}

export function hashAlong(hasher: Hasher, path: string, algorithms: readonly Algorithm[]): Along {
  let hashing: Hashing | undefined
  let told = 0

  const begin = (): Hashing => hasher.start(path, algorithms)

  return {
    advance(front) {
      if (front > 0) hashing ??= begin()
      told = Math.max(told, front)
      hashing?.advance(front)
    },
    retreat(from) {
      if (from >= told) return
      hashing?.cancel()
      hashing = undefined
      told = 0
    },
    finish(total) {
      hashing ??= begin()
      return hashing.finish(total)
    },
    cancel: () => hashing?.cancel(),
  }
}
