import type { BlobId } from '../model/digest.ts'
import { Fault, isFault } from '../model/fault.ts'
import type { BlobStore, StoredBlob } from '../store/blob-store.ts'
import type { Hasher } from '../system/hasher.ts'
import type { Logger } from '../system/log.ts'
import { isSpoilt } from '../system/spoilt.ts'
import type { Keeping, Target, Verification } from './catalog.ts'
import type { Knowledge } from './knowledge.ts'
import { digestHere, printTarget } from './target.ts'
import type { Walk } from './walk.ts'

export interface VerifyDeps {
  readonly store: BlobStore
  readonly knowledge: Knowledge
  readonly hasher: Pick<Hasher, 'whole'>
  readonly walk: Walk
  readonly log: Logger
  readonly forgotten: () => void
}

/** Hashes what is stored again; what is wrong leaves the store for its quarantine and is fetched anew on the next ask. */
export function createVerify(deps: VerifyDeps): Keeping['verify'] {
  const { store, knowledge, walk } = deps

  async function* chosen(target: Target | undefined): AsyncIterable<StoredBlob> {
    if (!target) return yield* store.list()
    const { id } = await digestHere(target, knowledge)
    let count = 0
    for await (const blob of tree(id, (await knowledge.blob(id))?.mediaType, new Set())) {
      count++
      yield blob
    }
    if (count === 0) throw new Fault('not-found', { what: printTarget(target), asked: ['this store'] })
  }

  /** What names others is checked before it is read. */
  async function* tree(id: BlobId, mediaType: string | undefined, seen: Set<BlobId>): AsyncIterable<StoredBlob> {
    if (seen.has(id)) return
    seen.add(id)
    const blob = await store.stat(id)
    if (blob) yield blob
    for (const part of await walk.children(id, mediaType)) if (part.stored) yield* tree(part.stored.id, part.mediaType, seen)
  }

  /** Undefined: it was removed while it was read. */
  async function actual(blob: StoredBlob, signal: AbortSignal): Promise<string | undefined> {
    try {
      const [digest] = await deps.hasher.whole(blob.path, blob.size, ['sha256'], signal)
      return digest ?? 'nothing'
    } catch (error) {
      if (isSpoilt(error)) return (error as Error).message
      if (isFault(error, 'disk-failed') && !(await store.stat(blob.id))) return undefined
      throw error
    }
  }

  return async (target, ask) => {
    const bad: Verification['bad'][number][] = []
    let checked = 0
    let bytes = 0
    for await (const blob of chosen(target)) {
      ask.signal.throwIfAborted()
      const found = await actual(blob, ask.signal)
      if (found !== blob.id) {
        if (found === undefined || !(await store.stat(blob.id))) continue
        const movedTo = await store.quarantine(blob.id, `it is ${found}`)
        deps.forgotten()
        deps.log.error('verify.bad', { digest: blob.id, actual: found, movedTo })
        bad.push({ digest: blob.id, actual: found, movedTo: movedTo ?? '' })
      }
      checked++
      bytes += blob.size
    }
    return { checked, bytes, bad }
  }
}
