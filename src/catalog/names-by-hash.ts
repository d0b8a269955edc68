import { digestInPointer } from '../formats/library-path.ts'
import { asBlobId, type BlobId } from '../model/digest.ts'
import type { MemberFacts, NameFacts } from '../model/facts.ts'
import { octetStream } from '../model/media-type.ts'
import { type NameReference, placeOf, printReference, type UpstreamId } from '../model/reference.ts'
import type { BlobStore } from '../store/blob-store.ts'
import type { Knowledge } from './knowledge.ts'

export interface NamesByHashDeps {
  readonly knowledge: Pick<Knowledge, 'name' | 'member' | 'blob'>
  readonly store: Pick<BlobStore, 'stat'>
  readonly isPublic: (id: UpstreamId) => boolean
}

/**
 * A hash in the place of a tag means the same for good: who has the image, or was told of it by its upstream, need not ask.
 * Undefined: that has to be asked.
 */
export function createNamesByHash({ knowledge, store, isPublic }: NamesByHashDeps) {
  /** What was last said of the name that the bytes came by, while it still means them. */
  async function originOf({ name }: MemberFacts, id: BlobId): Promise<NameFacts | undefined> {
    const facts = name === undefined ? undefined : await knowledge.name(name)
    return facts && [facts.id, facts.claimed].includes(id) ? facts : undefined
  }

  async function isOpenToAll(id: BlobId, upstream: UpstreamId): Promise<boolean> {
    return isPublic(upstream) && ((await knowledge.blob(id))?.isPublic ?? false)
  }

  return async (reference: NameReference): Promise<NameFacts | undefined> => {
    const digest = reference.kind === 'image' ? digestInPointer(reference.pointer) : undefined
    const id = digest && asBlobId(digest)
    if (!id) return undefined
    const own = await knowledge.name(printReference(reference))
    if (own) return own
    const member = await knowledge.member(placeOf(reference), id)
    const origin = member && (await originOf(member, id))
    const isHeld = (await store.stat(id)) !== undefined
    const isKnown = isHeld ? member !== undefined || (await isOpenToAll(id, reference.upstream)) : origin !== undefined
    if (!isKnown) return undefined
    const { about = {}, checkedAt = 0, mediaType = member?.mediaType ?? octetStream } = origin ?? {}
    const told = { claimed: id, size: undefined, mediaType, validators: {}, version: id, urls: [], about }
    return { ...told, reference, id: isHeld ? id : undefined, checkedAt }
  }
}
