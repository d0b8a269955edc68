import type { BlobId, Digest } from '../model/digest.ts'
import type { NameFacts } from '../model/facts.ts'
import { kindOf } from '../model/media-type.ts'
import { placeOf } from '../model/reference.ts'
import type { Records } from '../records/records.ts'
import type { BlobStore } from '../store/blob-store.ts'
import type { ImageSummary, Keeping } from './catalog.ts'
import type { Knowledge } from './knowledge.ts'
import { strongOf } from './name-facts.ts'
import { matcher } from './name-pattern.ts'
import type { Pins } from './pins.ts'
import type { Walk } from './walk.ts'

export interface ImagesDeps {
  readonly records: Pick<Records, 'tags' | 'names' | 'blobs'>
  readonly store: Pick<BlobStore, 'stat'>
  readonly knowledge: Pick<Knowledge, 'idOf' | 'blob'>
  readonly walk: Walk
  readonly pins: Pick<Pins, 'matches'>
}

/**
 * What is here: every tag, every image or file that has a name, and every manifest that no tag and no other manifest leads
 * to, by its digest.
 */
export function createImages({ records, store, knowledge, walk, pins }: ImagesDeps): Keeping['images'] {
  async function summary(place: string, pointer: string, digest: Digest, mediaType: string, checkedAt: number | undefined) {
    const id = await knowledge.idOf(digest)
    const stored = id && (await store.stat(id))
    if (!id || !stored) return undefined
    const parts = await walk.below(id, mediaType)
    const slash = place.indexOf('/')
    const held = parts.flatMap((part) => part.stored ?? [])
    const name = `${place}${pointer.includes(':') ? '@' : ':'}${pointer}`
    const image: ImageSummary = {
      kind: 'oci',
      name,
      upstream: place.slice(0, slash),
      repository: place.slice(slash + 1),
      pointer,
      digest,
      mediaType,
      size: held.reduce((sum, part) => sum + part.size, stored.size),
      missing: parts.length - held.length,
      isPinned: pins.matches(name),
      createdAt: (await knowledge.blob(id))?.createdAt ?? stored.lastUsed,
      lastUsed: Math.max(stored.lastUsed, ...held.map((part) => part.lastUsed)),
      checkedAt,
    }
    return { image, below: parts.map((part) => part.digest) }
  }

  async function named(name: string, facts: NameFacts): Promise<ImageSummary | undefined> {
    const digest = strongOf(facts)
    const id = digest && (await knowledge.idOf(digest))
    const stored = id && (await store.stat(id))
    if (!stored) return undefined
    const { reference } = facts
    return {
      kind: reference.kind,
      name,
      ...placeOf(reference),
      pointer: reference.kind === 'image' ? reference.pointer : undefined,
      digest: stored.id,
      mediaType: facts.mediaType,
      size: stored.size,
      missing: 0,
      isPinned: pins.matches(name),
      createdAt: (await knowledge.blob(stored.id))?.createdAt ?? stored.lastUsed,
      lastUsed: stored.lastUsed,
      checkedAt: facts.checkedAt,
    }
  }

  return async (pattern) => {
    const matches = matcher(pattern)
    const images: ImageSummary[] = []
    const reached = new Set<string>()
    for await (const [key, facts] of records.tags.entries()) {
      const colon = key.lastIndexOf(':')
      const found = await summary(key.slice(0, colon), key.slice(colon + 1), facts.digest, facts.mediaType, facts.checkedAt)
      for (const digest of found ? [facts.digest, ...found.below] : []) reached.add(digest)
      if (found && matches(key)) images.push(found.image)
    }
    for await (const [name, facts] of records.names.entries()) {
      const found = matches(name) ? await named(name, facts) : undefined
      if (found) images.push(found)
    }
    const untagged: { place: string; digest: Digest; mediaType: string }[] = []
    for await (const [key, facts] of records.blobs.entries()) {
      if (kindOf(facts.mediaType) === 'blob' || reached.has(key)) continue
      for (const place of facts.repositories) untagged.push({ place, digest: key as BlobId, mediaType: facts.mediaType! })
    }
    const found = await Promise.all(
      untagged.map(({ place, digest, mediaType }) => summary(place, digest, digest, mediaType, undefined)),
    )
    for (const one of found) for (const digest of one?.below ?? []) reached.add(digest)
    images.push(
      ...found.flatMap((one) => (one && !reached.has(one.image.digest) ? one.image : [])).filter(({ name }) => matches(name)),
    )
    return images.sort((a, b) => (a.name < b.name ? -1 : 1))
  }
}
