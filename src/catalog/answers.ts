import { Fault, isFault, isUpstreamFailing } from '../model/fault.ts'
import { judge } from '../model/freshness.ts'
import type { Ask } from '../model/principal.ts'
import { printReference, type Reference, type UpstreamId } from '../model/reference.ts'
import type { Clock } from '../system/clock.ts'
import type { Logger } from '../system/log.ts'
import type { MemoryCache } from '../system/memory-cache.ts'
import { untilGone } from '../system/until-gone.ts'
import type { Outcome } from './catalog.ts'
import type { Identities } from './identities.ts'

/** How long answers of one upstream are trusted. */
export interface Policy {
  readonly freshForMs: number
  readonly staleIfErrorMs: number
  readonly isOffline: boolean // never asked
  readonly rights?: 'site' | 'caller' // who says who may read what; of a caller's nothing that it hears is for others
}

export interface AnswersDeps {
  readonly policyOf: (id: UpstreamId) => Policy
  readonly clock: Clock
  readonly log: Logger
  readonly answerDeadlineMs: number
  /** Faults just had from upstream, by reference: not asked again for a moment. */
  readonly recent: MemoryCache<string, Fault>
  readonly identities: Pick<Identities, 'keyOf'>
}

/** One kind of thing that an upstream is asked about, and may be remembered. */
export interface Question<Asked, Facts, Fresh> {
  known(reference: Asked): Promise<Facts | undefined>
  /** Asks, and writes down what is heard; undefined: there is no such thing. It is nobody's own question. @throws Fault */
  ask(reference: Asked, known: Facts | undefined, ask: Ask): Promise<Heard<Facts, Fresh> | undefined>
  forget(reference: Asked): Promise<unknown>
}

/** `fresh`: what comes with an answer and is not remembered. */
export interface Heard<Facts, Fresh> {
  readonly kind: 'miss' | 'revalidated'
  readonly facts: Facts
  readonly fresh?: Fresh
}

export interface Answer<Facts, Fresh> {
  readonly facts: Facts
  readonly outcome: Outcome
  readonly fresh?: Fresh
}

type OwnAsk = Pick<Ask, 'requestId' | 'canDoWithout' | 'credentials'>

const troubledForMs = 5_000
const longestPauseMs = 5 * 60_000 // whatever an upstream asks for: its limit may be lifted, or its word be wrong

/**
 * What a name means: as known while fresh; else as the upstream says, asked once however many want to know;
 * else, while the upstream fails or is slow, as last known.
 *
 * @throws Fault 'not-found', 'not-held', 'upstream-…'
 */
export function createAnswers<Asked extends Reference, Facts extends { readonly checkedAt: number }, Fresh>(
  deps: AnswersDeps,
  question: Question<Asked, Facts, Fresh>,
): (reference: Asked, ask: Ask) => Promise<Answer<Facts, Fresh>> {
  const { clock, recent, log } = deps
  type Told = Heard<Facts, Fresh>
  const asking = new Map<string, Promise<Told>>()

  /** What one caller is told says nothing of what another would be. */
  function ownKeyOf(reference: Asked, { credentials }: Pick<Ask, 'credentials'>): string {
    const { rights } = deps.policyOf(reference.upstream)
    return deps.identities.keyOf(printReference(reference), reference.upstream, rights, credentials)
  }

  async function askUpstream(reference: Asked, known: Facts | undefined, own: OwnAsk): Promise<Told> {
    const { requestId } = own
    const key = printReference(reference)
    const ownKey = ownKeyOf(reference, own)
    const ask: Ask = { ...own, principal: { kind: 'operator' }, signal: new AbortController().signal }
    try {
      const heard = await question.ask(reference, known, ask)
      if (heard) return heard
      if (known) await question.forget(reference).catch((error) => log.error('name.keep', { reference: key, error }))
      throw new Fault('not-found', { what: key, asked: [reference.upstream] })
    } catch (error) {
      const isForAll = deps.policyOf(reference.upstream).rights !== 'caller'
      if (isFault(error, 'not-found', 'upstream-refused')) {
        if (isForAll) recent.set(ownKey, error)
      } else if (isFault(error, 'upstream-limited'))
        recent.set(ownKey, error, Math.min(error.details.retryAfterMs ?? troubledForMs, longestPauseMs))
      else if (isUpstreamFailing(error)) recent.set(ownKey, error, troubledForMs)
      log.info('resolve.failed', { requestId, reference: key, error })
      throw error
    }
  }

  /** One question at a time about a name. It is nobody's own: whoever asked may leave, the answer is kept. */
  function share(reference: Asked, known: Facts | undefined, ask: OwnAsk) {
    const key = ownKeyOf(reference, ask)
    const running = asking.get(key)
    if (running) return { answer: running, joined: true }
    const answer = askUpstream(reference, known, ask).finally(() => asking.delete(key))
    answer.catch(() => {})
    asking.set(key, answer)
    return { answer, joined: false }
  }

  async function beforeDeadline(answer: Promise<Told>, signal: AbortSignal): Promise<Told | 'late'> {
    const timer = new AbortController()
    const late = deps.clock.sleep(deps.answerDeadlineMs, AbortSignal.any([timer.signal, signal])).then(() => 'late' as const)
    late.catch(() => {})
    try {
      return await Promise.race([answer, late])
    } finally {
      timer.abort()
    }
  }

  function stale(facts: Facts, why: string): Answer<Facts, Fresh> {
    return { facts, outcome: { kind: 'stale', ageMs: Math.max(0, clock.now() - facts.checkedAt), why } }
  }

  return async (reference, ask) => {
    const key = printReference(reference)
    const policy = deps.policyOf(reference.upstream)
    const known = await question.known(reference)
    const worth = known ? judge(known, policy, clock.now()) : 'gone'
    if (known && worth === 'fresh' && !ask.revalidate) return { facts: known, outcome: { kind: 'hit' } }
    if (policy.isOffline) {
      if (known) return stale(known, 'this upstream is set to be offline')
      throw new Fault('not-found', { what: key, asked: [] })
    }
    const usable = worth === 'gone' ? undefined : known
    const trouble = ask.revalidate ? undefined : recent.get(ownKeyOf(reference, ask))
    if (trouble) {
      if (usable && isUpstreamFailing(trouble)) return stale(usable, trouble.message)
      throw trouble
    }
    const { answer, joined } = share(reference, known, {
      requestId: ask.requestId,
      canDoWithout: usable !== undefined,
      credentials: ask.credentials,
    })
    try {
      const heard = usable ? await beforeDeadline(answer, ask.signal) : await untilGone(answer, ask.signal)
      if (heard === 'late') return stale(usable!, 'the upstream is slow to answer')
      const { kind, ...rest } = heard
      return { ...rest, outcome: { kind: joined ? 'collapsed' : kind } }
    } catch (error) {
      if (usable && isUpstreamFailing(error)) return stale(usable, error.message)
      throw error
    }
  }
}
