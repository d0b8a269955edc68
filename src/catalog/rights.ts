import type { Artifact, Source } from '../model/artifact.ts'
import { type BlobId, isStrong } from '../model/digest.ts'
import type { MemberFacts } from '../model/facts.ts'
import { Fault } from '../model/fault.ts'
import type { Ask } from '../model/principal.ts'
import { type BlobReference, printReference, type UpstreamId } from '../model/reference.ts'
import type { Logger } from '../system/log.ts'
import type { Policy } from './answers.ts'
import type { Knowledge } from './knowledge.ts'
import type { Origins } from './origins.ts'

export interface RightsDeps {
  readonly origins: Origins
  readonly policyOf: (id: UpstreamId) => Policy
  readonly knowledge: Knowledge
  readonly log: Logger
}

/** A repository has the digest: what is known of it there, and where its bytes are asked for. */
export interface Membership extends MemberFacts {
  readonly sources: readonly Source[] // best first
  readonly wasAsked: boolean // it took a question to the upstream
}

export type Vouched = Omit<Membership, 'wasAsked'>

/**
 * Whether a repository has a blob. Known from its manifests and from earlier answers; for held bytes that came from
 * an upstream open to everybody, any other open upstream may give them too. Everything else costs one HEAD, no body.
 */
export interface Rights {
  /**
   * @param held the store has the bytes under this name
   * @param vouched what is known of them otherwise, and counts where nothing could be written down
   * @throws Fault 'not-found', 'upstream-…'
   */
  membership(reference: BlobReference, held: BlobId | undefined, ask: Ask, vouched?: Vouched): Promise<Membership>
}

export function createRights({ origins, policyOf, knowledge, log }: RightsDeps): Rights {
  async function isOpenToAll(id: BlobId, upstream: UpstreamId): Promise<boolean> {
    return origins.isPublic(upstream) && ((await knowledge.blob(id))?.isPublic ?? false)
  }

  async function askUpstream(reference: BlobReference, ask: Ask): Promise<Membership> {
    if (ask.onlyIfHeld) throw new Fault('not-held', { what: reference.digest })
    const notFound = () => new Fault('not-found', { what: printReference(reference), asked: [reference.upstream] })
    if (policyOf(reference.upstream).isOffline) throw notFound()
    const answer = await origins.ask(reference, ask)
    if (answer.outcome !== 'found') throw notFound()
    const facts = { size: answer.artifact.size, mediaType: undefined }
    // A disk that cannot be written must not keep the bytes from whoever waits for them.
    await knowledge.addMembers(reference, [[reference.digest, facts]]).catch((error) => log.error('member.keep', { error }))
    return { ...facts, sources: answer.sources, wasAsked: true }
  }

  return {
    async membership(reference, held, ask, vouched) {
      const known = await knowledge.member(reference, reference.digest)
      const sources = await origins.sourcesOf(reference, known, ask)
      if (vouched && sources.length === 0) return { ...vouched, ...known, sources: vouched.sources, wasAsked: false }
      if (known) return { ...known, sources, wasAsked: false }
      // Who asks by a digest that can be forged may mean other bytes than those that another upstream has.
      if (held && isStrong(reference.digest) && (await isOpenToAll(held, reference.upstream)))
        return { size: undefined, mediaType: undefined, sources, wasAsked: false }
      return askUpstream(reference, ask)
    },
  }
}

/** The artifact a digest names: what never changes. */
export function artifactOf(reference: BlobReference, size: number | undefined, mediaType: string): Artifact {
  return { reference, mediaType, size, digests: [reference.digest], checkedAt: 0, freshUntil: Number.POSITIVE_INFINITY }
}
