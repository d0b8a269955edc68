import { kindOf } from '../model/media-type.ts'
import { printReference } from '../model/reference.ts'
import type { Records } from '../records/records.ts'
import type { BlobStore, Sidecars } from '../store/blob-store.ts'
import type { Logger } from '../system/log.ts'
import { memberKey, parsePlace } from './knowledge.ts'
import type { Walk } from './walk.ts'

export interface RebuildDeps {
  readonly records: Records
  readonly store: Pick<BlobStore, 'list'>
  readonly sidecars: Sidecars
  readonly walk: Pick<Walk, 'children'>
  readonly log: Logger
}

/** Writes the records anew from what lies on disk: sidecars for names and facts, manifests for who has what. */
export async function rebuild({ records, store, sidecars, walk, log }: RebuildDeps): Promise<void> {
  for (const table of [records.tags, records.blobs, records.members, records.homes, records.aliases]) await table.clear()
  let blobs = 0
  for await (const { id, size } of store.list()) {
    const facts = await sidecars.readBlob(id)
    if (!facts) continue
    await records.blobs.put(id, { ...facts, size })
    for (const alias of facts.aliases) await records.aliases.put(alias, id)
    const own = [id, ...facts.aliases].map((digest) => ({ digest, size, mediaType: facts.mediaType }))
    const named = kindOf(facts.mediaType) === 'blob' ? [] : await walk.children(id, facts.mediaType)
    for (const place of facts.repositories) {
      const at = parsePlace(place)
      const members = [...own, ...named].map(
        ({ digest, size, mediaType }) => [memberKey(at, digest), { size, mediaType }] as const,
      )
      await records.members.putMany(members)
      await records.homes.putMany([...own, ...named].map(({ digest }) => [digest, place] as const))
    }
    blobs++
  }
  let tags = 0
  for await (const [{ upstream, repository, tag }, facts] of sidecars.tags()) {
    await records.tags.put(printReference({ kind: 'manifest', upstream, repository, pointer: tag }), facts)
    tags++
  }
  await records.settled()
  if (blobs > 0) log.info('records.rebuilt', { blobs, tags })
}
