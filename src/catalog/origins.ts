import type { Resolution, Source } from '../model/artifact.ts'
import type { MemberFacts } from '../model/facts.ts'
import type { Ask } from '../model/principal.ts'
import type { BlobReference, UpstreamId } from '../model/reference.ts'
import type { NamedUpstreams, Upstreams } from '../upstream/upstream.ts'
import type { Knowledge } from './knowledge.ts'

/** Where blobs come from, of whatever kind their upstream is. */
export interface Origins {
  /** @throws Fault 'upstream-unknown' */
  isPublic(id: UpstreamId): boolean
  /** Where the bytes are asked for there, best first; nothing is asked yet. */
  sourcesOf(reference: BlobReference, member: MemberFacts | undefined, ask: Ask): Promise<readonly Source[]>
  /** Whether it has the blob: one question, no body. Who knows names only has not. @throws Fault 'upstream-…' */
  ask(reference: BlobReference, ask: Ask): Promise<Resolution>
}

export function createOrigins(upstreams: Upstreams, named: NamedUpstreams, knowledge: Pick<Knowledge, 'name'>): Origins {
  return {
    isPublic: (id) => (named(id) ?? upstreams(id)).isPublic,
    async sourcesOf(reference, member, { credentials }) {
      const byName = named(reference.upstream)
      if (!byName) return [upstreams(reference.upstream).sourceOf(reference, credentials)]
      const facts = member?.name === undefined ? undefined : await knowledge.name(member.name)
      return facts ? byName.sourcesOf(facts, reference.digest, credentials) : []
    },
    ask: async (reference, ask) =>
      named(reference.upstream) ? { outcome: 'missing' } : upstreams(reference.upstream).resolve(reference, ask),
  }
}
