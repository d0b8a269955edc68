import type { TagFacts } from '../model/facts.ts'
import { Fault, isFault } from '../model/fault.ts'
import { judge } from '../model/freshness.ts'
import type { UpstreamId } from '../model/reference.ts'
import type { Records } from '../records/records.ts'
import type { BlobStore } from '../store/blob-store.ts'
import type { Clock } from '../system/clock.ts'
import type { Inspection, Keeping } from './catalog.ts'
import type { Knowledge } from './knowledge.ts'
import type { Policy } from './resolve-tag.ts'
import { digestHere, printTarget } from './target.ts'
import type { Walk } from './walk.ts'

export interface InspectDeps {
  readonly records: Pick<Records, 'tags'>
  readonly store: Pick<BlobStore, 'stat'>
  readonly knowledge: Knowledge
  readonly policyOf: (id: UpstreamId) => Policy
  readonly clock: Clock
  readonly walk: Walk
}

/** Everything known of one image or blob, without asking any upstream. @throws Fault 'not-found' */
export function createInspect({ records, store, knowledge, policyOf, clock, walk }: InspectDeps): Keeping['inspect'] {
  /** A tag of an upstream that left the settings is not served any more. */
  function stateOf(tag: TagFacts, upstream: UpstreamId): Inspection['freshness'][number]['state'] {
    try {
      return judge(tag, policyOf(upstream), clock.now())
    } catch (error) {
      if (isFault(error, 'upstream-unknown')) return 'gone'
      throw error
    }
  }

  return async (target) => {
    const { digest, id } = await digestHere(target, knowledge)
    const [facts, stored] = await Promise.all([knowledge.blob(id), store.stat(id)])
    const freshness: Inspection['freshness'][number][] = []
    for await (const [name, tag] of records.tags.entries()) {
      if (tag.digest !== digest) continue
      const upstream = name.slice(0, name.indexOf('/')) as UpstreamId
      freshness.push({ name, state: stateOf(tag, upstream), checkedAt: tag.checkedAt })
    }
    if (!facts && !stored && freshness.length === 0)
      throw new Fault('not-found', { what: printTarget(target), asked: ['this store'] })
    const parts = stored ? await walk.below(id, facts?.mediaType) : []
    return {
      digest,
      mediaType: facts?.mediaType,
      size: stored?.size ?? facts?.size ?? 0,
      path: stored?.path,
      names: [...freshness.map(({ name }) => name), ...(facts?.repositories ?? []).map((place) => `${place}@${digest}`)],
      aliases: facts?.aliases ?? [],
      createdAt: facts?.createdAt,
      lastUsed: stored?.lastUsed,
      freshness,
      parts: parts.map(({ digest, mediaType, size, platform, stored }) => ({
        digest,
        mediaType,
        size,
        platform,
        isHeld: stored !== undefined,
      })),
    }
  }
}
