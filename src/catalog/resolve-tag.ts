import type { Artifact, Resolution } from '../model/artifact.ts'
import type { TagFacts } from '../model/facts.ts'
import { Fault } from '../model/fault.ts'
import type { Ask } from '../model/principal.ts'
import type { Upstreams } from '../upstream/upstream.ts'
import { type AnswersDeps, createAnswers, type Heard } from './answers.ts'
import type { Outcome } from './catalog.ts'
import type { Documents } from './documents.ts'
import type { Knowledge, TagReference } from './knowledge.ts'

export interface ResolveTagDeps extends AnswersDeps {
  readonly upstreams: Upstreams
  readonly knowledge: Knowledge
  readonly documents: Documents
}

export interface TagAnswer {
  readonly artifact: Artifact
  readonly outcome: Outcome
  readonly document?: Uint8Array // when it was just fetched
}

/** What a tag means. @throws Fault as `createAnswers` */
export function createResolveTag(deps: ResolveTagDeps): (reference: TagReference, ask: Ask) => Promise<TagAnswer> {
  const { knowledge, clock, log, policyOf } = deps

  function artifactOf(reference: TagReference, facts: TagFacts): Artifact {
    const { digest, mediaType, size, checkedAt } = facts
    const freshUntil = checkedAt + policyOf(reference.upstream).freshForMs
    return { reference, mediaType, size, digests: [digest], checkedAt, freshUntil }
  }

  async function keep(
    reference: TagReference,
    answer: Extract<Resolution, { outcome: 'found' }>,
  ): Promise<Heard<TagFacts, Uint8Array>> {
    const { artifact, document } = answer
    const checkedAt = clock.now()
    if (!document || !artifact.digests[0]) throw new Fault('internal', { what: 'a tag was resolved without its document' })
    await deps.documents.keep(reference, artifact, document, deps.upstreams(reference.upstream).isPublic)
    const facts: TagFacts = { digest: artifact.digests[0], mediaType: artifact.mediaType, size: document.length, checkedAt }
    await remember(() => knowledge.setTag(reference, facts))
    return { kind: 'miss', facts, fresh: document }
  }

  /** A disk that cannot be written must not keep an answer from whoever waits for it. */
  async function remember(write: () => Promise<void>): Promise<void> {
    await write().catch((error) => log.error('tag.keep', { error }))
  }

  async function confirm(reference: TagReference, known: TagFacts): Promise<Heard<TagFacts, Uint8Array>> {
    const facts = { ...known, checkedAt: clock.now() }
    await remember(() => knowledge.touchTag(reference, facts))
    return { kind: 'revalidated', facts }
  }

  const answers = createAnswers<TagReference, TagFacts, Uint8Array>(deps, {
    known: knowledge.tag,
    async ask(reference, known, ask) {
      const answer = await deps.upstreams(reference.upstream).resolve(reference, ask, known && artifactOf(reference, known))
      if (answer.outcome === 'found') return keep(reference, answer)
      return answer.outcome === 'unchanged' && known ? confirm(reference, known) : undefined
    },
    forget: knowledge.forgetTag,
  })

  return async (reference, ask) => {
    const { facts, outcome, fresh } = await answers(reference, ask)
    return { artifact: artifactOf(reference, facts), outcome, ...(fresh && { document: fresh }) }
  }
}
