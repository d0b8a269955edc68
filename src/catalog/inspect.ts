import { isStrong } from '../model/digest.ts'
import type { BlobFacts, NameFacts, TagFacts } from '../model/facts.ts'
import { Fault, isFault } from '../model/fault.ts'
import { judge } from '../model/freshness.ts'
import { kindOf, sifLayer } from '../model/media-type.ts'
import type { UpstreamId } from '../model/reference.ts'
import type { Records } from '../records/records.ts'
import type { BlobStore, StoredBlob } from '../store/blob-store.ts'
import type { Clock } from '../system/clock.ts'
import type { NamedUpstreams } from '../upstream/upstream.ts'
import type { Policy } from './answers.ts'
import type { Inspection, Keeping } from './catalog.ts'
import { type Knowledge, parsePlace } from './knowledge.ts'
import { sifFactsOf } from './sif-facts.ts'
import { digestHere, printTarget } from './target.ts'
import type { Part, Walk } from './walk.ts'

export interface InspectDeps {
  readonly records: Pick<Records, 'tags' | 'names'>
  readonly store: Pick<BlobStore, 'stat'>
  readonly knowledge: Knowledge
  readonly named: NamedUpstreams
  readonly policyOf: (id: UpstreamId) => Policy
  readonly clock: Clock
  readonly walk: Walk
}

type Known = Inspection['freshness'][number]

/** Everything known of one image, file or blob, without asking any upstream. @throws Fault 'not-found' */
export function createInspect({ records, store, knowledge, named, policyOf, clock, walk }: InspectDeps): Keeping['inspect'] {
  /** A name of an upstream that left the settings is not served any more. */
  function stateOf(name: string, facts: TagFacts | NameFacts): Known['state'] {
    try {
      return judge(facts, policyOf(parsePlace(name).upstream), clock.now())
    } catch (error) {
      if (isFault(error, 'upstream-unknown')) return 'gone'
      throw error
    }
  }

  /** Every name that means one of these digests. */
  async function known(digests: readonly (string | undefined)[]): Promise<Known[]> {
    const found: Known[] = []
    const means = (digest: string | undefined) => digest !== undefined && digests.includes(digest)
    for await (const [name, facts] of records.tags.entries()) {
      const { digest, checkedAt } = facts
      const state = stateOf(name, facts)
      if (means(digest)) found.push({ name, kind: 'tag', state, checkedAt, claimed: digest, digestFrom: undefined })
    }
    for await (const [name, facts] of records.names.entries()) {
      const { id, claimed, checkedAt, about, reference } = facts
      if (!means(id) && !(isStrong(claimed) && means(claimed))) continue
      const digestFrom = typeof about.digestFrom === 'string' ? about.digestFrom : undefined
      found.push({ name, kind: reference.kind, state: stateOf(name, facts), checkedAt, claimed, digestFrom })
    }
    return found
  }

  /** Repositories that have it under its digest: what is known by a name only has none. */
  function homesOf({ repositories }: Pick<BlobFacts, 'repositories'>): readonly string[] {
    return repositories.filter((place) => !named(parsePlace(place).upstream))
  }

  return async (target) => {
    const { digest, id } = await digestHere(target, knowledge)
    const [facts, stored] = await Promise.all([knowledge.blob(id), store.stat(id)])
    const aliases = facts?.aliases ?? []
    const freshness = await known([id, digest, ...aliases.filter(isStrong)])
    if (!facts && !stored && freshness.length === 0)
      throw new Fault('not-found', { what: printTarget(target), asked: ['this store'] })
    const parts = stored ? await walk.below(id, facts?.mediaType) : []
    const homes = homesOf(facts ?? { repositories: [] })
    return {
      digest: isStrong(digest) ? digest : id,
      mediaType: facts?.mediaType,
      size: stored?.size ?? facts?.size ?? 0,
      path: stored?.path,
      names: [...freshness.map(({ name }) => name), ...homes.map((place) => `${place}@${isStrong(digest) ? digest : id}`)],
      aliases,
      createdAt: facts?.createdAt,
      lastUsed: stored?.lastUsed,
      freshness,
      vouched: homes.length > 0 ? 'strongly' : vouchedBy(freshness),
      sif: await sifIn(stored, facts?.mediaType, parts),
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

/** What nobody gave a name came in by its digest. */
function vouchedBy(names: readonly Known[]): Inspection['vouched'] {
  if (names.length === 0 || names.some(({ claimed }) => isStrong(claimed))) return 'strongly'
  return names.some(({ claimed }) => claimed !== undefined) ? 'weakly' : 'not'
}

async function sifIn(stored: StoredBlob | undefined, mediaType: string | undefined, parts: readonly Part[]) {
  const file = kindOf(mediaType) === 'blob' ? stored : parts.find((part) => part.mediaType === sifLayer)?.stored
  return file && sifFactsOf(file)
}
