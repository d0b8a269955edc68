import { isStrong } from '../model/digest.ts'
import { kindOf } from '../model/media-type.ts'
import { placeOf, printReference } from '../model/reference.ts'
import type { Records } from '../records/records.ts'
import type { BlobStore, Sidecars } from '../store/blob-store.ts'
import type { Logger } from '../system/log.ts'
import { memberKey, parsePlace, printPlace } from './knowledge.ts'
import { memberFactsOf, putMembers } from './members.ts'
import type { Walk } from './walk.ts'

export interface RebuildDeps {
  readonly records: Records
  readonly store: Pick<BlobStore, 'list' | 'quarantine'>
  readonly sidecars: Sidecars
  readonly walk: Pick<Walk, 'children'>
  readonly log: Logger
}

/** Writes the records anew from what lies on disk: sidecars for names and facts, manifests for who has what. */
export async function rebuild({ records, store, sidecars, walk, log }: RebuildDeps): Promise<void> {
  for (const table of [records.tags, records.names, records.blobs, records.members, records.homes, records.aliases])
    await table.clear()
  let blobs = 0
  for await (const { id, size } of store.list()) {
    const facts = await sidecars.readBlob(id)
    if (!facts) continue
    if (facts.size !== undefined && facts.size !== size) {
      await store.quarantine(id, `it has ${size} bytes and had ${facts.size}`).catch(() => {}) // which says so itself
      continue
    }
    await records.blobs.put(id, { ...facts, size })
    for (const alias of facts.aliases) await records.aliases.put(alias, id)
    const own = [id, ...facts.aliases.filter(isStrong)].map((digest) => ({ digest, size, mediaType: facts.mediaType }))
    const named = kindOf(facts.mediaType) === 'blob' ? [] : await walk.children(id, facts.mediaType)
    for (const place of facts.repositories) {
      const at = parsePlace(place)
      const members = [
        ...own.map(({ digest, size, mediaType }) => [memberKey(at, digest), { size, mediaType }] as const),
        ...named.map((part) => [memberKey(at, part.digest), memberFactsOf(part)] as const),
      ]
      await putMembers(records.members, members)
      await records.homes.putMany([...own, ...named].map(({ digest }) => [digest, place] as const))
    }
    blobs++
  }
  let tags = 0
  let names = 0
  for await (const [{ upstream, repository, tag }, facts] of sidecars.tags()) {
    await records.tags.put(printReference({ kind: 'manifest', upstream, repository, pointer: tag }), facts)
    tags++
  }
  for await (const [key, facts] of sidecars.names()) {
    await records.names.put(key, facts)
    const { id, claimed, size, mediaType, reference } = facts
    const place = placeOf(reference)
    const digests = [id, claimed].filter(isStrong)
    await records.members.putMany(digests.map((digest) => [memberKey(place, digest), { size, mediaType, name: key }] as const))
    await records.homes.putMany(digests.map((digest) => [digest, printPlace(place)] as const))
    names++
  }
  await records.settled()
  if (blobs + names > 0) log.info('records.rebuilt', { blobs, tags, names })
}
