import type { BlobId } from '../model/digest.ts'
import { setTimes } from '../system/files.ts'
import type { Logger } from '../system/log.ts'
import { blobFile } from './places.ts'

/**
 * When each blob was last used: gathered here, written to the files now and then. The file's modification time carries
 * it, which nobody needs otherwise; its access time would not do, as every backup and every check moves that.
 */
export interface LastUse {
  touch(id: BlobId, at: number): void
  /** The later of what is gathered and what the file says; epoch ms. */
  of(id: BlobId, onFile: number): number
  forget(id: BlobId): void
  /** Writes what is gathered. Never rejects. */
  flush(): Promise<void>
}

export function createLastUse({ root, log }: { root: string; log: Logger }): LastUse {
  const gathered = new Map<BlobId, number>()

  return {
    touch: (id, at) => void gathered.set(id, at),
    of: (id, onFile) => Math.max(onFile, gathered.get(id) ?? 0),
    forget: (id) => void gathered.delete(id),
    async flush() {
      let failed = 0
      let first: unknown
      for (const [id, at] of [...gathered]) {
        try {
          await setTimes(blobFile(root, id), at)
          if (gathered.get(id) === at) gathered.delete(id)
        } catch (error) {
          gathered.delete(id) // or a disk that fails would make this grow
          first ??= error
          failed++
        }
      }
      if (failed > 0) log.warn('store.touch', { failed, error: first })
    },
  }
}
