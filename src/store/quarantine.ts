import { basename, dirname, join } from 'node:path'
import type { BlobId } from '../model/digest.ts'
import type { Clock } from '../system/clock.ts'
import { makeFolder, moveDurably, statFile, syncFolder } from '../system/files.ts'
import type { Logger } from '../system/log.ts'
import { blobFile, quarantineFolder } from './places.ts'

/** Blobs whose bytes are not what their name says: put aside, where a person may look at them. */
export interface Quarantine {
  /** It could not be moved, and is not to be given to anybody. */
  holds(id: BlobId): boolean
  /** Another one has taken its place. */
  release(id: BlobId): void
  /**
   * Out of reach at once, and for good also where it cannot be moved. Where it lies now; undefined where there was none.
   * @throws Fault 'disk-failed'
   */
  put(id: BlobId, why?: string): Promise<string | undefined>
}

export interface QuarantineDeps {
  readonly root: string
  readonly clock: Pick<Clock, 'now'>
  readonly log: Logger
  /** Nobody new may be given what was kept open of it. */
  readonly forget: (id: BlobId) => void
  readonly removeBeside: (id: BlobId) => Promise<void>
  readonly quarantined: (id: BlobId) => void
}

export function createQuarantine({ root, clock, log, forget, removeBeside, quarantined }: QuarantineDeps): Quarantine {
  const spoilt = new Set<BlobId>()

  async function move(path: string): Promise<string> {
    const folder = quarantineFolder(root)
    await makeFolder(folder)
    const wanted = join(folder, basename(path))
    const movedTo = (await statFile(wanted)) ? `${wanted}.${clock.now()}` : wanted
    await moveDurably(path, movedTo)
    return movedTo
  }

  return {
    holds: (id) => spoilt.has(id),
    release: (id) => void spoilt.delete(id),
    async put(id, why = 'its bytes are not what they were') {
      const path = blobFile(root, id)
      const isThere = await statFile(path).then(
        (found) => found !== undefined,
        () => true, // and nothing can be learnt of it
      )
      forget(id)
      if (!isThere) return undefined
      spoilt.add(id)
      quarantined(id)
      try {
        const movedTo = await move(path)
        spoilt.delete(id)
        log.error('store.bad', { digest: id, why, movedTo })
        await syncFolder(dirname(path))
        await removeBeside(id)
        return movedTo
      } catch (error) {
        log.error('store.bad', { digest: id, why, error })
        throw error
      }
    },
  }
}
