import type { BlobId, Digest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import { kindOf } from '../model/media-type.ts'
import type { NameReference } from '../model/reference.ts'
import type { Records } from '../records/records.ts'
import type { BlobStore, StoredBlob } from '../store/blob-store.ts'
import type { Clock } from '../system/clock.ts'
import type { NamedUpstreams } from '../upstream/upstream.ts'
import type { Keeping, Target } from './catalog.ts'
import { isTagReference, type Knowledge, parsePlace, type TagReference } from './knowledge.ts'
import { strongOf } from './name-facts.ts'
import type { Pins } from './pins.ts'
import { digestHere, digestIfHere, printTarget } from './target.ts'
import type { Walk } from './walk.ts'

const leftoverAgeMs = 24 * 3600 * 1000
const settledAfterMs = 10_000 // by then what came in under a name is known to be that

export interface RemoveDeps {
  readonly records: Pick<Records, 'tags' | 'names' | 'blobs'>
  readonly store: BlobStore
  readonly knowledge: Knowledge
  readonly walk: Walk
  readonly named: NamedUpstreams
  readonly pins: Pick<Pins, 'look' | 'has'>
  readonly clock: Clock
  /** What was kept in memory about names must be forgotten. */
  readonly forgotten: () => void
}

/** Freeing: by name, and what has no name any more. */
export function createRemove(deps: RemoveDeps): Pick<Keeping, 'remove' | 'gc'> {
  const { records, store, knowledge, walk } = deps

  /** How many bytes it had; undefined where it was not here. */
  async function removeBlob(id: BlobId): Promise<number | undefined> {
    const stored = await store.stat(id)
    await knowledge.forgetBlob(id)
    await store.remove(id)
    return stored?.size
  }

  /** What a tag, a name, or a held manifest outside `leaving`, leads to: digests as they are named there, and sha256. */
  async function namedElsewhere(leaving: ReadonlySet<string>): Promise<Set<string>> {
    const named = new Set<string>()
    for await (const [, facts] of records.tags.entries()) await reach(facts.digest, named)
    for await (const [, facts] of records.names.entries()) {
      const digest = strongOf(facts)
      if (digest) await reach(digest, named)
    }
    for await (const [key, facts] of records.blobs.entries()) {
      if (leaving.has(key) || kindOf(facts.mediaType) === 'blob') continue
      await reachBelow(key as BlobId, facts.mediaType, named)
    }
    return named
  }

  async function reach(digest: Digest, named: Set<string>): Promise<void> {
    named.add(digest)
    const id = await knowledge.idOf(digest)
    if (!id) return
    named.add(id)
    await reachBelow(id, (await knowledge.blob(id))?.mediaType, named)
  }

  async function reachBelow(id: BlobId, mediaType: string | undefined, named: Set<string>): Promise<void> {
    for (const { digest, stored } of await walk.below(id, mediaType)) {
      named.add(digest)
      if (stored) named.add(stored.id)
    }
  }

  async function forgetNames(target: Target, digest: Digest, id: BlobId): Promise<string[]> {
    if (target.kind === 'manifest' && isTagReference(target)) {
      await knowledge.forgetTag(target)
      return [printTarget(target)]
    }
    if (isName(target)) return (await knowledge.forgetName(printTarget(target))) ? [printTarget(target)] : []
    return [...(await forgetTagsOf(digest)), ...(await forgetNamesOf([digest, id]))]
  }

  async function forgetTagsOf(digest: Digest): Promise<string[]> {
    const tags: string[] = []
    for await (const [name, facts] of records.tags.entries()) if (facts.digest === digest) tags.push(name)
    for (const tag of tags) await knowledge.forgetTag(parseTagKey(tag))
    return tags
  }

  async function forgetNamesOf(digests: readonly Digest[]): Promise<string[]> {
    const names: string[] = []
    for await (const [name, facts] of records.names.entries()) {
      const means = strongOf(facts)
      if (means && digests.includes(means)) names.push(name)
    }
    for (const name of names) await knowledge.forgetName(name)
    return names
  }

  /** Its upstream was asked what it means, and nothing of it ever came. */
  async function removeUnheld(target: NameReference): Promise<{ removed: string[]; freed: number }> {
    const name = printTarget(target)
    if (!(await knowledge.forgetName(name))) throw new Fault('not-found', { what: name, asked: ['this store'] })
    deps.forgotten()
    return { removed: [name], freed: 0 }
  }

  /** What a name meant once and means no more: nothing else would ever lead to it. Blobs of registries are named by digest. */
  async function isNobodys({ id, lastUsed }: StoredBlob): Promise<boolean> {
    const facts = await knowledge.blob(id)
    if (!facts) return true
    const { repositories, mediaType, createdAt } = facts
    if (repositories.length === 0 || kindOf(mediaType) !== 'blob' || deps.pins.has(id)) return false
    const isSettled = deps.clock.now() - Math.max(createdAt, lastUsed) > settledAfterMs
    return isSettled && repositories.every((place) => deps.named(parsePlace(place).upstream))
  }

  async function removeAll(ids: Iterable<BlobId>): Promise<{ removed: string[]; freed: number }> {
    const removed: string[] = []
    let freed = 0
    for (const id of ids) {
      const size = await removeBlob(id)
      if (size === undefined) continue
      freed += size
      removed.push(id)
    }
    deps.forgotten()
    return { removed, freed }
  }

  return {
    async remove(target) {
      if (isName(target) && !(await digestIfHere(target, knowledge))) return removeUnheld(target)
      const { digest, id } = await digestHere(target, knowledge)
      const parts = await walk.below(id, (await knowledge.blob(id))?.mediaType)
      const names = await forgetNames(target, digest, id)
      const leaving = new Set<string>([id, ...parts.flatMap((part) => part.stored?.id ?? [])])
      const kept = await namedElsewhere(leaving)
      const stored = await Promise.all([digest, ...parts.map((part) => part.digest)].map(knowledge.idOf))
      const ids = new Set(stored.flatMap((one) => (one && !kept.has(one) ? one : [])))
      const { removed, freed } = await removeAll(ids)
      if (names.length + removed.length === 0 && !kept.has(id))
        throw new Fault('not-found', { what: printTarget(target), asked: ['this store'] })
      return { removed: [...names, ...removed], freed }
    },
    async gc() {
      await deps.pins.look()
      const named = await namedElsewhere(new Set())
      const orphans: BlobId[] = []
      for await (const blob of store.list()) if (!named.has(blob.id) && (await isNobodys(blob))) orphans.push(blob.id)
      for await (const [key] of records.blobs.entries())
        if (!(await store.stat(key as BlobId))) await knowledge.forgetBlob(key as BlobId)
      const result = await removeAll(orphans)
      for await (const { key, bytes, changedAt } of store.leftovers()) {
        if (deps.clock.now() - changedAt < leftoverAgeMs || !(await store.discard(key))) continue
        result.removed.push(`unfinished ${key}`)
        result.freed += bytes
      }
      return result
    },
  }
}

function isName(target: Target): target is NameReference {
  return target.kind === 'image' || target.kind === 'file'
}

/** The reverse of `printReference` for a key we wrote ourselves. */
function parseTagKey(key: string): TagReference {
  const slash = key.indexOf('/')
  const colon = key.lastIndexOf(':')
  const [upstream, repository, pointer] = [key.slice(0, slash), key.slice(slash + 1, colon), key.slice(colon + 1)]
  return { kind: 'manifest', upstream, repository, pointer } as TagReference
}
