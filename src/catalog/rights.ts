import type { Artifact, Source } from '../model/artifact.ts'
import type { BlobId } from '../model/digest.ts'
import type { MemberFacts } from '../model/facts.ts'
import { Fault } from '../model/fault.ts'
import type { Ask } from '../model/principal.ts'
import { type BlobReference, printReference, type UpstreamId } from '../model/reference.ts'
import type { Upstreams } from '../upstream/upstream.ts'
import type { Knowledge } from './knowledge.ts'
import type { Policy } from './resolve-tag.ts'

export interface RightsDeps {
  readonly upstreams: Upstreams
  readonly policyOf: (id: UpstreamId) => Policy
  readonly knowledge: Knowledge
}

/** A repository has the digest: what is known of it there, and where its bytes are asked for. */
export interface Membership extends MemberFacts {
  readonly source: Source
  readonly wasAsked: boolean // it took a question to the upstream
}

/**
 * Whether a repository has a blob. Known from its manifests and from earlier answers; for held bytes that came from
 * an upstream open to everybody, any other open upstream may give them too. Everything else costs one HEAD, no body.
 */
export interface Rights {
  /** `held`: the store has the bytes under this name. @throws Fault 'not-found', 'upstream-…' */
  membership(reference: BlobReference, held: BlobId | undefined, ask: Ask): Promise<Membership>
}

export function createRights({ upstreams, policyOf, knowledge }: RightsDeps): Rights {
  async function isOpenToAll(id: BlobId, upstream: UpstreamId): Promise<boolean> {
    return upstreams(upstream).isPublic && ((await knowledge.blob(id))?.isPublic ?? false)
  }

  async function askUpstream(reference: BlobReference, ask: Ask): Promise<Membership> {
    if (ask.onlyIfHeld) throw new Fault('not-held', { what: reference.digest })
    const upstream = upstreams(reference.upstream)
    const notFound = () => new Fault('not-found', { what: printReference(reference), asked: [reference.upstream] })
    if (policyOf(reference.upstream).isOffline) throw notFound()
    const answer = await upstream.resolve(reference, ask)
    if (answer.outcome !== 'found') throw notFound()
    const facts = { size: answer.artifact.size, mediaType: undefined }
    await knowledge.addMembers(reference, [[reference.digest, facts]])
    return { ...facts, source: answer.sources[0] ?? upstream.sourceOf(reference), wasAsked: true }
  }

  return {
    async membership(reference, held, ask) {
      const source = upstreams(reference.upstream).sourceOf(reference)
      const known = await knowledge.member(reference, reference.digest)
      if (known) return { ...known, source, wasAsked: false }
      if (held && (await isOpenToAll(held, reference.upstream)))
        return { size: undefined, mediaType: undefined, source, wasAsked: false }
      return askUpstream(reference, ask)
    },
  }
}

/** The artifact a digest names: what never changes. */
export function artifactOf(reference: BlobReference, size: number | undefined, mediaType: string): Artifact {
  return { reference, mediaType, size, digests: [reference.digest], checkedAt: 0, freshUntil: Number.POSITIVE_INFINITY }
}
