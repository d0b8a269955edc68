import { Fault, isFault, isUpstreamFailing } from '../model/fault.ts'
import type { Ask } from '../model/principal.ts'
import { type BlobReference, placeOf, printReference, type Reference, type UpstreamId } from '../model/reference.ts'
import type { Clock } from '../system/clock.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import { networkOf } from '../system/networks.ts'
import { createPlaces, type Places } from '../system/places.ts'
import { createSingleFlight } from '../system/single-flight.ts'
import type { AdmittingOf, RepositoryReference } from '../upstream/upstream.ts'
import type { Policy } from './answers.ts'
import type { Admission } from './catalog.ts'
import type { Identities } from './identities.ts'
import { type Knowledge, type Place, printPlace } from './knowledge.ts'

export interface CallerRightsDeps {
  readonly admitting: AdmittingOf
  readonly knowledge: Pick<Knowledge, 'member' | 'name'>
  readonly policyOf: (id: UpstreamId) => Policy
  readonly identities: Identities
  readonly clock: Clock
  readonly answerDeadlineMs: number
}

interface Right {
  readonly askedAt: number // epoch ms
}

/** A login that was refused. */
interface Failed {
  readonly who: string
  readonly at: number // epoch ms
}

/** What was shown from one network and was wrong, oldest first: what no upstream had taken before, and what one had. */
interface Guessing {
  readonly failed: readonly Failed[]
  readonly taken: readonly Failed[]
}

const rightForMs = 60_000
const refusalForMs = 10_000
const goesOnForMs = 600_000 // while its upstream cannot be asked
const acceptedForMs = 86_400_000
const retryAfterMs = 5_000
const rightsKept = 100_000
const mostFailures = 10
const guessingMs = 60_000

/**
 * The rights of whoever asks, at upstreams that say themselves who may read what. A right is to a repository: whether what
 * is asked for is in it is another question.
 */
export function createCallerRights({
  admitting,
  knowledge,
  policyOf,
  identities,
  clock,
  answerDeadlineMs,
}: CallerRightsDeps): Admission {
  const rights = createMemoryCache<string, Right>({ maxEntries: rightsKept, ttlMs: goesOnForMs, clock })
  const refusals = createMemoryCache<string, Fault>({ maxEntries: rightsKept, ttlMs: refusalForMs, clock })
  const accepted = createMemoryCache<string, { readonly upstreams: readonly UpstreamId[] }>({
    maxEntries: rightsKept,
    ttlMs: acceptedForMs,
    clock,
  })
  const flights = createSingleFlight<string, void>()
  const guessing = createMemoryCache<string, Guessing>({ maxEntries: rightsKept })
  const turns = createMemoryCache<string, Places>({ maxEntries: rightsKept })

  function turnsOf({ client = '' }: Ask, upstream: UpstreamId): Places {
    const key = `${networkOf(client)} ${upstream}`
    const places = turns.get(key) ?? createPlaces(mostFailures)
    turns.set(key, places)
    return places
  }

  function guessingOf({ client = '' }: Ask): Guessing {
    const network = networkOf(client)
    const known = guessing.get(network) ?? { failed: [], taken: [] }
    const recent = (all: readonly Failed[]) => all.filter(({ at }) => at > clock.now() - guessingMs)
    const now = { ...known, failed: recent(known.failed), taken: recent(known.taken) }
    guessing.set(network, now)
    return now
  }

  /**
   * What this upstream took lately is no guess: unless it takes anything of whoever asks for what is public, and many of those
   * turn out to be wrong.
   */
  function kindOf({ credentials }: Ask, upstream: UpstreamId): 'failed' | 'taken' | undefined {
    if (!credentials) return undefined
    return accepted.get(identities.ofLogin(credentials))?.upstreams.includes(upstream) ? 'taken' : 'failed'
  }

  /** An upstream hears all guesses from one address, which is ours. @throws Fault 'client-limited' */
  function demandPatience(ask: Ask, upstream: UpstreamId): void {
    const kind = kindOf(ask, upstream)
    const [first, ...others] = kind === undefined ? [] : guessingOf(ask)[kind]
    if (first === undefined || others.length < mostFailures - 1) return
    const retryAfterMs = first.at + guessingMs - clock.now()
    throw new Fault('client-limited', { what: `${mostFailures} logins failed within a minute`, retryAfterMs })
  }

  /** The same again is no other guess. */
  function countFailure(error: Fault, ask: Ask, upstream: UpstreamId): void {
    const kind = kindOf(ask, upstream)
    if (kind === undefined || !isFault(error, 'upstream-refused') || error.details.status !== 401) return
    const known = guessingOf(ask)
    const who = identities.ofLogin(ask.credentials!)
    const others = known[kind].filter((one) => one.who !== who)
    guessing.set(networkOf(ask.client ?? ''), { ...known, [kind]: [...others, { who, at: clock.now() }] })
  }

  /** Not more guesses at once than may fail. */
  async function inTurn(ask: Ask, upstream: UpstreamId, work: () => Promise<void>): Promise<void> {
    if (kindOf(ask, upstream) !== 'failed') return work()
    const leave = await turnsOf(ask, upstream).enter(ask.signal)
    try {
      demandPatience(ask, upstream)
      await work()
    } finally {
      leave()
    }
  }

  /** The bytes of a name are asked for by that. */
  async function nameOf(reference: BlobReference): Promise<Reference | undefined> {
    const member = await knowledge.member(reference, reference.digest)
    return member?.name === undefined ? undefined : (await knowledge.name(member.name))?.reference
  }

  async function isThere(wanted: Reference | RepositoryReference, ask: Ask): Promise<boolean> {
    const registry = admitting.registry(wanted.upstream)
    if (registry && (wanted.kind === 'manifest' || wanted.kind === 'blob' || wanted.kind === 'repository')) {
      if (wanted.kind !== 'repository' && (await registry.admits(wanted, ask))) return true
      const { upstream, repository } = wanted
      return registry.admits({ kind: 'repository', upstream, repository }, ask)
    }
    const name = wanted.kind === 'blob' ? await nameOf(wanted) : wanted
    const found = admitting.named(wanted.upstream)
    return name && found && name.kind !== 'manifest' && name.kind !== 'blob' ? found.admits(name, ask) : false
  }

  function keep(right: string, who: string, upstream: UpstreamId): void {
    rights.set(right, { askedAt: clock.now() })
    const upstreams = accepted.get(who)?.upstreams ?? []
    accepted.set(who, { upstreams: [...new Set([...upstreams, upstream])] })
  }

  async function askUpstream(wanted: Reference | RepositoryReference, place: Place, ask: Ask): Promise<void> {
    const { upstream } = wanted
    const who = identities.of(upstream, ask.credentials)
    const right = `${who} ${printPlace(place)}`
    try {
      if (policyOf(upstream).isOffline) throw unreachable(upstream)
      if (!(await isThere(wanted, ask))) throw new Fault('not-found', { what: printWanted(wanted), asked: [upstream] })
      keep(right, who, upstream)
    } catch (error) {
      if (isFault(error, 'not-found', 'upstream-refused')) {
        countFailure(error, ask, upstream)
        rights.delete(right)
        refusals.set(keyOf(right, wanted, error), error)
      } else if (isUpstreamFailing(error)) {
        if (rights.get(right)) return
        if (!isFault(error, 'upstream-limited'))
          throw new Fault('rights-unknown', { what: printWanted(wanted), why: error.message, retryAfterMs })
      }
      throw error
    }
  }

  /** Who was let in lately does not wait for an upstream that is slow to say so again. */
  async function beforeDeadline(answer: Promise<unknown>): Promise<void> {
    const done = new AbortController()
    answer.catch(() => {}) // whoever asks next hears of it
    const late = clock.sleep(answerDeadlineMs, done.signal).catch(() => {})
    try {
      await Promise.race([answer, late])
    } finally {
      done.abort()
    }
  }

  return {
    async admit(wanted, ask) {
      const place = 'repository' in wanted ? wanted : placeOf(wanted)
      const right = `${identities.of(wanted.upstream, ask.credentials)} ${printPlace(place)}`
      const key = `${right} ${printWanted(wanted)}`
      const isFresh = (known: Right | undefined) => known !== undefined && clock.now() - known.askedAt < rightForMs
      const demandNoRefusal = () => {
        const refusal = refusals.get(right) ?? refusals.get(key)
        if (refusal) throw refusal
      }
      const { client } = ask
      const answer = () => flights.run(key, ask.signal, (signal) => askUpstream(wanted, place, { ...ask, client, signal }))

      const known = rights.get(right)
      if (isFresh(known)) return
      demandNoRefusal()
      if (known) return beforeDeadline(answer())
      demandPatience(ask, wanted.upstream)
      await inTurn(ask, wanted.upstream, async () => {
        if (isFresh(rights.get(right))) return // it was found out meanwhile
        demandNoRefusal()
        await answer()
      })
    },
    async acceptedBy(login) {
      return accepted.get(identities.ofLogin(login))?.upstreams ?? []
    },
  }
}

/** Who is refused is refused all of a repository. */
function keyOf(right: string, wanted: Reference | RepositoryReference, fault: Fault): string {
  return isFault(fault, 'upstream-refused') ? right : `${right} ${printWanted(wanted)}`
}

function printWanted(wanted: Reference | RepositoryReference): string {
  return wanted.kind === 'repository' ? printPlace(wanted) : printReference(wanted)
}

function unreachable(upstream: UpstreamId): Fault {
  return new Fault('upstream-unreachable', { url: upstream, why: 'it is set to be offline' })
}
