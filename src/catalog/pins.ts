import type { BlobId, Digest } from '../model/digest.ts'
import type { Records } from '../records/records.ts'
import type { Sidecars } from '../store/blob-store.ts'
import type { Knowledge } from './knowledge.ts'
import { strongOf } from './name-facts.ts'
import { matcher } from './name-pattern.ts'
import type { Walk } from './walk.ts'

export interface PinsDeps {
  readonly records: Pick<Records, 'tags' | 'names' | 'blobs'>
  readonly sidecars: Pick<Sidecars, 'readPins' | 'writePins'>
  readonly knowledge: Pick<Knowledge, 'idOf' | 'blob'>
  readonly walk: Walk
  readonly configured: readonly string[] // patterns of the settings
}

/** Names whose blobs stay, whatever room is needed. A name may be pinned before anything is held of it. */
export interface Pins {
  readonly patterns: readonly string[]
  /** As last looked. */
  has(id: BlobId): boolean
  matches(name: string): boolean
  /** Looks again what the pinned names lead to. */
  look(): Promise<void>
  /** False where it was pinned already. */
  pin(pattern: string): Promise<boolean>
  /** False where it was not pinned by a command. */
  unpin(pattern: string): Promise<boolean>
}

export async function createPins({ records, sidecars, knowledge, walk, configured }: PinsDeps): Promise<Pins> {
  let own = new Set(await sidecars.readPins())
  let held: ReadonlySet<BlobId> = new Set()

  const patterns = () => [...new Set([...configured, ...own])]
  const isPinned = (name: string) => patterns().some((pattern) => exactly(pattern)(name))

  async function reach(digest: Digest, found: Set<BlobId>): Promise<void> {
    const id = await knowledge.idOf(digest)
    if (!id || found.has(id)) return
    found.add(id)
    for (const { stored } of await walk.below(id, (await knowledge.blob(id))?.mediaType)) if (stored) found.add(stored.id)
  }

  async function look(): Promise<void> {
    const found = new Set<BlobId>()
    if (patterns().length > 0) {
      for await (const [key, { digest }] of records.tags.entries()) if (isPinned(key)) await reach(digest, found)
      for await (const [key, facts] of records.names.entries()) {
        const digest = strongOf(facts)
        if (digest && isPinned(key)) await reach(digest, found)
      }
      for await (const [key, { repositories }] of records.blobs.entries())
        if (isPinned(key) || repositories.some((place) => isPinned(`${place}@${key}`))) await reach(key as BlobId, found)
    }
    held = found
  }

  async function change(next: ReadonlySet<string>): Promise<void> {
    await sidecars.writePins([...next].sort())
    own = new Set(next)
    await look()
  }

  return {
    get patterns() {
      return patterns()
    },
    has: (id) => held.has(id),
    matches: isPinned,
    look,
    async pin(pattern) {
      if (own.has(pattern)) return false
      await change(new Set([...own, pattern]))
      return true
    },
    async unpin(pattern) {
      if (!own.has(pattern)) return false
      await change(new Set([...own].filter((one) => one !== pattern)))
      return true
    },
  }
}

/** A pattern without a star is one name. */
function exactly(pattern: string): (name: string) => boolean {
  return pattern.includes('*') ? matcher(pattern) : (name) => name === pattern
}
