import type { Artifact, Resolution } from '../model/artifact.ts'
import type { TagFacts } from '../model/facts.ts'
import { Fault, isFault, isUpstreamFailing } from '../model/fault.ts'
import { judge } from '../model/freshness.ts'
import type { Ask } from '../model/principal.ts'
import { printReference, type UpstreamId } from '../model/reference.ts'
import type { Clock } from '../system/clock.ts'
import type { Logger } from '../system/log.ts'
import type { MemoryCache } from '../system/memory-cache.ts'
import { untilGone } from '../system/until-gone.ts'
import type { Upstreams } from '../upstream/upstream.ts'
import type { Outcome } from './catalog.ts'
import type { Documents } from './documents.ts'
import type { Knowledge, TagReference } from './knowledge.ts'

/** How long answers of one upstream are trusted. */
export interface Policy {
  readonly freshForMs: number
  readonly staleIfErrorMs: number
  readonly isOffline: boolean // never asked
}

export interface ResolveTagDeps {
  readonly upstreams: Upstreams
  readonly policyOf: (id: UpstreamId) => Policy
  readonly knowledge: Knowledge
  readonly documents: Documents
  readonly clock: Clock
  readonly log: Logger
  readonly answerDeadlineMs: number
  /** Faults just had from upstream, by reference: not asked again for a moment. */
  readonly recent: MemoryCache<string, Fault>
}

export interface TagAnswer {
  readonly artifact: Artifact
  readonly outcome: Outcome
  readonly document?: Uint8Array // when it was just fetched
}

type Fresh = Pick<TagAnswer, 'artifact' | 'document'> & { readonly kind: 'miss' | 'revalidated' }

const troubledForMs = 5_000
const longestPauseMs = 5 * 60_000 // whatever an upstream asks for: its limit may be lifted, or its word be wrong

/**
 * What a tag means: as known while fresh; else as the upstream says, asked once however many want to know;
 * else, while the upstream fails or is slow, as last known.
 *
 * @throws Fault 'not-found', 'upstream-…'
 */
export function createResolveTag(deps: ResolveTagDeps): (reference: TagReference, ask: Ask) => Promise<TagAnswer> {
  const { knowledge, clock, recent, log } = deps
  const asking = new Map<string, Promise<Fresh>>()

  function artifactOf(reference: TagReference, facts: TagFacts): Artifact {
    const { digest, mediaType, size, checkedAt } = facts
    const freshUntil = checkedAt + deps.policyOf(reference.upstream).freshForMs
    return { reference, mediaType, size, digests: [digest], checkedAt, freshUntil }
  }

  async function keep(reference: TagReference, answer: Extract<Resolution, { outcome: 'found' }>): Promise<Fresh> {
    const { artifact, document } = answer
    const checkedAt = clock.now()
    if (!document || !artifact.digests[0]) throw new Fault('internal', { what: 'a tag was resolved without its document' })
    await deps.documents.keep(reference, artifact, document, deps.upstreams(reference.upstream).isPublic)
    const facts: TagFacts = { digest: artifact.digests[0], mediaType: artifact.mediaType, size: document.length, checkedAt }
    await remember(() => knowledge.setTag(reference, facts))
    return { kind: 'miss', artifact: artifactOf(reference, facts), document }
  }

  /** A disk that cannot be written must not keep an answer from whoever waits for it. */
  async function remember(write: () => Promise<void>): Promise<void> {
    await write().catch((error) => log.error('tag.keep', { error }))
  }

  async function confirm(reference: TagReference, known: TagFacts): Promise<Fresh> {
    const facts = { ...known, checkedAt: clock.now() }
    await remember(() => knowledge.touchTag(reference, facts))
    return { kind: 'revalidated', artifact: artifactOf(reference, facts) }
  }

  async function askUpstream(
    key: string,
    reference: TagReference,
    known: TagFacts | undefined,
    requestId: string,
  ): Promise<Fresh> {
    const ask: Ask = { principal: { kind: 'operator' }, signal: new AbortController().signal, requestId }
    try {
      const answer = await deps.upstreams(reference.upstream).resolve(reference, ask, known && artifactOf(reference, known))
      if (answer.outcome === 'found') return await keep(reference, answer)
      if (answer.outcome === 'unchanged' && known) return await confirm(reference, known)
      if (known) await knowledge.forgetTag(reference)
      throw new Fault('not-found', { what: key, asked: [reference.upstream] })
    } catch (error) {
      if (isFault(error, 'not-found', 'upstream-refused')) recent.set(key, error)
      else if (isFault(error, 'upstream-limited'))
        recent.set(key, error, Math.min(error.details.retryAfterMs ?? troubledForMs, longestPauseMs))
      else if (isUpstreamFailing(error)) recent.set(key, error, troubledForMs)
      log.info('resolve.failed', { requestId, reference: key, error })
      throw error
    }
  }

  /** One question at a time about a tag. It is nobody's own: whoever asked may leave, the answer is kept. */
  function share(key: string, reference: TagReference, known: TagFacts | undefined, ask: Ask) {
    const running = asking.get(key)
    if (running) return { answer: running, joined: true }
    const answer = askUpstream(key, reference, known, ask.requestId).finally(() => asking.delete(key))
    answer.catch(() => {})
    asking.set(key, answer)
    return { answer, joined: false }
  }

  async function beforeDeadline(answer: Promise<Fresh>, signal: AbortSignal): Promise<Fresh | 'late'> {
    const timer = new AbortController()
    const late = deps.clock.sleep(deps.answerDeadlineMs, AbortSignal.any([timer.signal, signal])).then(() => 'late' as const)
    late.catch(() => {})
    try {
      return await Promise.race([answer, late])
    } finally {
      timer.abort()
    }
  }

  function stale(reference: TagReference, known: TagFacts, why: string): TagAnswer {
    return {
      artifact: artifactOf(reference, known),
      outcome: { kind: 'stale', ageMs: Math.max(0, clock.now() - known.checkedAt), why },
    }
  }

  return async (reference, ask) => {
    const key = printReference(reference)
    const policy = deps.policyOf(reference.upstream)
    const known = await knowledge.tag(reference)
    const worth = known ? judge(known, policy, clock.now()) : 'gone'
    if (known && worth === 'fresh' && !ask.revalidate) return { artifact: artifactOf(reference, known), outcome: { kind: 'hit' } }
    if (policy.isOffline) {
      if (known) return stale(reference, known, 'this upstream is set to be offline')
      throw new Fault('not-found', { what: key, asked: [] })
    }
    const usable = worth === 'gone' ? undefined : known
    const trouble = ask.revalidate ? undefined : recent.get(key)
    if (trouble) {
      if (usable && isUpstreamFailing(trouble)) return stale(reference, usable, trouble.message)
      throw trouble
    }
    const { answer, joined } = share(key, reference, known, ask)
    try {
      const fresh = usable ? await beforeDeadline(answer, ask.signal) : await untilGone(answer, ask.signal)
      if (fresh === 'late') return stale(reference, usable!, 'the upstream is slow to answer')
      const { kind, ...rest } = fresh
      return { ...rest, outcome: { kind: joined ? 'collapsed' : kind } }
    } catch (error) {
      if (usable && isUpstreamFailing(error)) return stale(reference, usable, error.message)
      throw error
    }
  }
}
