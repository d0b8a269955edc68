import { Fault, isFault } from '../model/fault.ts'
import { judge } from '../model/freshness.ts'
import type { UpstreamId } from '../model/reference.ts'
import type { Clock } from '../system/clock.ts'
import type { MemoryCache } from '../system/memory-cache.ts'
import { untilGone } from '../system/until-gone.ts'
import type { Found, LookupsOf } from '../upstream/upstream.ts'
import type { Policy } from './answers.ts'
import type { Outcome, Passing } from './catalog.ts'
import type { Identities } from './identities.ts'

export interface LookupsDeps {
  readonly lookupsOf: LookupsOf
  readonly policyOf: (id: UpstreamId) => Policy
  readonly clock: Clock
  readonly cache: MemoryCache<string, KnownLookup>
  readonly identities: Identities
}

export interface KnownLookup {
  readonly found: Found | undefined // undefined: there is no such thing
  readonly checkedAt: number // epoch ms
}

interface Patience {
  readonly foundForMs: number
  readonly missingForMs: number
  readonly answerMs: number // how long a client waits at most; what comes later is kept for who asks next
}

// Clients of keyservers give up after 5 s, and then cannot tell a missing key from one that is late.
const patience: Readonly<Record<'library' | 'keys' | 'shub', Patience>> = {
  library: { foundForMs: 60_000, missingForMs: 10_000, answerMs: 60_000 },
  shub: { foundForMs: 60_000, missingForMs: 10_000, answerMs: 60_000 },
  keys: { foundForMs: 3_600_000, missingForMs: 60_000, answerMs: 4_000 },
}

/** Small documents that are passed on: asked once however many want them, and given stale while nobody can be asked. */
export function createLookups({ lookupsOf, policyOf, clock, cache, identities }: LookupsDeps): Passing['lookup'] {
  const asking = new Map<string, Promise<KnownLookup>>()

  /** It is nobody's own question: whoever asked may leave, the answer is kept. */
  function share(key: string, fetch: (signal: AbortSignal) => Promise<Found | undefined>) {
    const running = asking.get(key)
    if (running) return { answer: running, joined: true }
    const answer = fetch(new AbortController().signal)
      .then((found) => {
        const known = { found, checkedAt: clock.now() }
        cache.set(key, known)
        return known
      })
      .finally(() => asking.delete(key))
    answer.catch(() => {})
    asking.set(key, answer)
    return { answer, joined: false }
  }

  async function inTime<T>(answer: Promise<T>, ms: number, what: string, signal: AbortSignal): Promise<T> {
    const timer = new AbortController()
    const late = clock.sleep(ms, timer.signal).then(() => {
      throw new Fault('upstream-timeout', { url: what, phase: 'answer', ms })
    })
    late.catch(() => {})
    try {
      return await untilGone(Promise.race([answer, late]), signal)
    } finally {
      timer.abort()
    }
  }

  return async ({ upstream, about }, question, ask) => {
    const lookups = lookupsOf(upstream, about)
    if (!lookups) throw new Fault('upstream-unknown', { name: upstream })
    // Keys are the same for all; what an upstream that tells its callers apart finds is one caller's.
    const { staleIfErrorMs, isOffline, rights } = policyOf(upstream)
    const key = identities.keyOf(
      `${about} ${upstream} ${question}`,
      upstream,
      about === 'keys' ? 'site' : rights,
      ask.credentials,
    )
    const { foundForMs, missingForMs, answerMs } = patience[about]
    const before = cache.get(key)
    const worth = before
      ? judge(before, { freshForMs: before.found ? foundForMs : missingForMs, staleIfErrorMs }, clock.now())
      : 'gone'
    const answered = ({ found }: KnownLookup, outcome: Outcome) => ({ found, outcome })
    const stale = (known: KnownLookup, why: string) =>
      answered(known, { kind: 'stale', ageMs: Math.max(0, clock.now() - known.checkedAt), why })

    if (before && worth === 'fresh' && !ask.revalidate) return answered(before, { kind: 'hit' })
    if (isOffline) {
      if (before) return stale(before, 'this upstream is set to be offline')
      throw new Fault('upstream-unreachable', { url: upstream, why: 'it is set to be offline' })
    }
    try {
      const { answer, joined } = share(key, (signal) => lookups.lookup(question, signal, ask.credentials))
      const what = about === 'keys' ? `the keyserver of "${upstream}"` : `the upstream "${upstream}"`
      return answered(await inTime(answer, answerMs, what, ask.signal), { kind: joined ? 'collapsed' : 'miss' })
    } catch (error) {
      if (before && worth !== 'gone' && isFault(error) && !isFault(error, 'cancelled')) return stale(before, error.message)
      throw error
    }
  }
}
