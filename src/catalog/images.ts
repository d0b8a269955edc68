import type { BlobId, Digest } from '../model/digest.ts'
import { kindOf } from '../model/media-type.ts'
import type { Records } from '../records/records.ts'
import type { BlobStore } from '../store/blob-store.ts'
import type { ImageSummary, Keeping } from './catalog.ts'
import type { Knowledge } from './knowledge.ts'
import type { Walk } from './walk.ts'

export interface ImagesDeps {
  readonly records: Pick<Records, 'tags' | 'blobs'>
  readonly store: Pick<BlobStore, 'stat'>
  readonly knowledge: Pick<Knowledge, 'idOf' | 'blob'>
  readonly walk: Walk
}

/** What is here: every tag, and every manifest that no tag and no other manifest leads to, by its digest. */
export function createImages({ records, store, knowledge, walk }: ImagesDeps): Keeping['images'] {
  async function summary(place: string, pointer: string, digest: Digest, mediaType: string, checkedAt: number | undefined) {
    const id = await knowledge.idOf(digest)
    const stored = id && (await store.stat(id))
    if (!id || !stored) return undefined
    const parts = await walk.below(id, mediaType)
    const slash = place.indexOf('/')
    const held = parts.flatMap((part) => part.stored ?? [])
    const image: ImageSummary = {
      upstream: place.slice(0, slash),
      repository: place.slice(slash + 1),
      pointer,
      digest,
      mediaType,
      size: held.reduce((sum, part) => sum + part.size, stored.size),
      missing: parts.length - held.length,
      createdAt: (await knowledge.blob(id))?.createdAt ?? stored.lastUsed,
      lastUsed: Math.max(stored.lastUsed, ...held.map((part) => part.lastUsed)),
      checkedAt,
    }
    return { image, below: parts.map((part) => part.digest) }
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
      ...found
        .flatMap((one) => (one && !reached.has(one.image.digest) ? one.image : []))
        .filter((image) => matches(nameOf(image))),
    )
    return images.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
  }
}

function nameOf({ upstream, repository, pointer }: ImageSummary): string {
  return `${upstream}/${repository}${pointer.includes(':') ? '@' : ':'}${pointer}`
}

/** `*` stands for anything, also slashes; without one the text may stand anywhere in the name. */
function matcher(pattern: string | undefined): (name: string) => boolean {
  if (pattern === undefined) return () => true
  if (!pattern.includes('*')) return (name) => name.includes(pattern)
  const shape = new RegExp(`^${pattern.split(/\*+/).map(RegExp.escape).join('.*')}$`)
  return (name) => shape.test(name)
}
