import { algorithmOf, asBlobId, type BlobId, type Digest, isStrong } from '../model/digest.ts'
import type { BlobFacts, MemberFacts, NameFacts, TagFacts } from '../model/facts.ts'
import type { PieceHashes } from '../model/pieces.ts'
import {
  isDigest,
  type ManifestReference,
  printReference,
  type Repository,
  type Tag,
  type UpstreamId,
} from '../model/reference.ts'
import type { Records } from '../records/records.ts'
import type { Sidecars, StoredBlob } from '../store/blob-store.ts'
import { createKeptPieces } from './kept-pieces.ts'
import { putMembers } from './members.ts'

const repositoriesKept = 200

export interface Place {
  readonly upstream: UpstreamId
  readonly repository: Repository
}
export type TagReference = Place & { readonly kind: 'manifest'; readonly pointer: Tag }

/** All that is known besides the bytes: written to sidecars, which are the truth, and to records, which are their index. */
export interface Knowledge {
  tag(reference: TagReference): Promise<TagFacts | undefined>
  setTag(reference: TagReference, facts: TagFacts): Promise<void>
  /** The upstream confirmed the tag. */
  touchTag(reference: TagReference, facts: TagFacts): Promise<void>
  forgetTag(reference: TagReference): Promise<boolean>
  /** By `printReference`. */
  name(key: string): Promise<NameFacts | undefined>
  /**
   * Says what is known of a name from now on, given what is now; undefined changes nothing. One after another for each name,
   * so that none undoes another. Returns what is known then.
   */
  changeName(key: string, change: (now: NameFacts | undefined) => NameFacts | undefined): Promise<NameFacts | undefined>
  forgetName(key: string): Promise<boolean>
  blob(id: BlobId): Promise<(BlobFacts & { readonly size: number }) | undefined>
  /** A blob was committed, or a known one was served by another repository. */
  addBlob(stored: Pick<StoredBlob, 'id' | 'size'>, facts: Omit<BlobFacts, 'createdAt'>): Promise<void>
  /** Moves when a blob or its pieces became known. */
  readonly version: number
  pieces(blob: Pick<StoredBlob, 'id' | 'size'>): Promise<PieceHashes | undefined>
  addPieces(id: BlobId, pieces: PieceHashes): Promise<void>
  forgetBlob(id: BlobId): Promise<void>
  member(place: Place, digest: Digest): Promise<MemberFacts | undefined>
  /** A repository that has the digest, if any is known. */
  homeOf(digest: Digest): Promise<Place | undefined>
  addMembers(place: Place, members: Iterable<readonly [Digest, MemberFacts]>): Promise<void>
  /** The sha256 of the bytes that have this digest, where that is known. */
  idOf(digest: Digest): Promise<BlobId | undefined>
}

export interface KnowledgeDeps {
  readonly records: Records
  readonly sidecars: Sidecars
  readonly now: () => number
}

export function isTagReference(reference: ManifestReference): reference is TagReference {
  return !isDigest(reference.pointer)
}

export function printPlace(place: Place): string {
  return `${place.upstream}/${place.repository}`
}

/** The reverse of `printPlace`, for what we wrote ourselves. */
export function parsePlace(text: string): Place {
  const slash = text.indexOf('/')
  return { upstream: text.slice(0, slash) as UpstreamId, repository: text.slice(slash + 1) as Repository }
}

export function memberKey(place: Place, digest: Digest): string {
  return `${place.upstream}/${place.repository}@${digest}`
}

export function createKnowledge({ records, sidecars, now }: KnowledgeDeps): Knowledge {
  const tagPlace = ({ upstream, repository, pointer }: TagReference) => ({ upstream, repository, tag: pointer })

  const pieces = createKeptPieces(sidecars)
  const turns = new Map<string, Promise<unknown>>()
  let version = 0

  /** One after another for each blob or name, as each adds to what the one before wrote. */
  async function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    const mine = (turns.get(key) ?? Promise.resolve()).then(work, work)
    turns.set(key, mine)
    try {
      return await mine
    } finally {
      if (turns.get(key) === mine) turns.delete(key)
    }
  }

  async function changeName(...[key, change]: Parameters<Knowledge['changeName']>): Promise<NameFacts | undefined> {
    const now = await records.names.get(key)
    const next = change(now)
    if (!next) return now
    const isConfirmed =
      now !== undefined && JSON.stringify({ ...now, checkedAt: 0 }) === JSON.stringify({ ...next, checkedAt: 0 })
    await (isConfirmed ? sidecars.touchName(key, next.checkedAt) : sidecars.writeName(key, next))
    await records.names.put(key, next)
    return next
  }

  async function addBlob(stored: Pick<StoredBlob, 'id' | 'size'>, facts: Omit<BlobFacts, 'createdAt'>): Promise<void> {
    const known = await records.blobs.get(stored.id)
    const merged = { ...merge(known, facts, now()), size: stored.size }
    if (known && isSame(known, merged)) return
    await sidecars.writeBlob(stored.id, merged)
    await records.blobs.put(stored.id, merged)
    for (const alias of merged.aliases) await addAlias(alias, stored.id)
    if (!known) version++
  }

  /** Somebody can have made other bytes for a digest that is weak: whose it was first it stays. */
  async function addAlias(alias: Digest, id: BlobId): Promise<void> {
    if (isStrong(alias) || (await records.aliases.get(alias)) === undefined) await records.aliases.put(alias, id)
  }

  async function forgetBlob(id: BlobId): Promise<void> {
    pieces.forget(id)
    const known = await records.blobs.get(id)
    for (const alias of known?.aliases ?? []) if ((await records.aliases.get(alias)) === id) await records.aliases.delete(alias)
    await records.blobs.delete(id)
  }

  return {
    tag: (reference) => records.tags.get(printReference(reference)),
    async setTag(reference, facts) {
      await sidecars.writeTag(tagPlace(reference), facts)
      await records.tags.put(printReference(reference), facts)
    },
    async touchTag(reference, facts) {
      await sidecars.touchTag(tagPlace(reference), facts.checkedAt)
      await records.tags.put(printReference(reference), facts)
    },
    async forgetTag(reference) {
      await sidecars.removeTag(tagPlace(reference))
      return records.tags.delete(printReference(reference))
    },
    name: (key) => records.names.get(key),
    changeName: (key, change) => inTurn(key, () => changeName(key, change)),
    forgetName: (key) =>
      inTurn(key, async () => {
        await sidecars.removeName(key)
        return records.names.delete(key)
      }),
    blob: (id) => records.blobs.get(id),
    addBlob: (stored, facts) => inTurn(stored.id, () => addBlob(stored, facts)),
    pieces: pieces.of,
    async addPieces(id, known) {
      await pieces.add(id, known)
      version++
    },
    get version() {
      return version
    },
    forgetBlob: (id) => inTurn(id, () => forgetBlob(id)),
    member: (place, digest) => records.members.get(memberKey(place, digest)),
    async homeOf(digest) {
      const place = await records.homes.get(digest)
      return place === undefined ? undefined : parsePlace(place)
    },
    async addMembers(place, members) {
      const all = [...members]
      await putMembers(
        records.members,
        all.map(([digest, facts]) => [memberKey(place, digest), facts] as const),
      )
      await records.homes.putMany(all.map(([digest]) => [digest, printPlace(place)] as const))
    },
    async idOf(digest) {
      const id = asBlobId(digest)
      if (id) return id
      const known = await records.aliases.get(digest)
      return known === undefined ? undefined : (known as BlobId)
    },
  }
}

function merge(known: BlobFacts | undefined, added: Omit<BlobFacts, 'createdAt'>, now: number): BlobFacts {
  const unique = <T>(a: readonly T[] = [], b: readonly T[]) => [...new Set([...a, ...b])]
  return {
    mediaType: added.mediaType ?? known?.mediaType,
    repositories: unique(known?.repositories, added.repositories).slice(-repositoriesKept),
    isPublic: added.isPublic || (known?.isPublic ?? false),
    aliases: unique(known?.aliases, added.aliases).filter((digest) => algorithmOf(digest) !== 'sha256'),
    createdAt: known?.createdAt ?? now,
  }
}

function isSame(a: BlobFacts, b: BlobFacts): boolean {
  return (
    a.size === b.size &&
    a.mediaType === b.mediaType &&
    a.isPublic === b.isPublic &&
    a.repositories.length === b.repositories.length &&
    a.repositories.every((place) => b.repositories.includes(place)) &&
    a.aliases.length === b.aliases.length
  )
}
