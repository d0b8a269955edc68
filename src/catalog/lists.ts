import { Fault, isFault, isUpstreamFailing } from '../model/fault.ts'
import { judge } from '../model/freshness.ts'
import type { Ask } from '../model/principal.ts'
import type { Repository, UpstreamId } from '../model/reference.ts'
import type { Records } from '../records/records.ts'
import type { Clock } from '../system/clock.ts'
import type { MemoryCache } from '../system/memory-cache.ts'
import type { createSingleFlight } from '../system/single-flight.ts'
import type { Referrers, TagLists, TagPage, Upstreams } from '../upstream/upstream.ts'
import type { Policy } from './answers.ts'
import type { Outcome, Pulls } from './catalog.ts'
import type { Identities } from './identities.ts'

export interface ListsDeps {
  readonly upstreams: Upstreams
  readonly tagLists: TagLists
  readonly policyOf: (id: UpstreamId) => Policy
  readonly records: Pick<Records, 'tags' | 'names' | 'blobs'>
  readonly clock: Clock
  readonly negativeForMs: number
  readonly identities: Pick<Identities, 'keyOf'>
  readonly cache: MemoryCache<string, KnownList>
  readonly flights: ReturnType<typeof createSingleFlight<string, KnownList>>
}

export interface KnownList {
  readonly answer: TagPage | Referrers | undefined // undefined: the upstream has no such thing
  readonly checkedAt: number // epoch ms
}

/** Lists that change: the upstream's own while it answers, remembered for as long as a tag is, held names when it fails. */
export function createLists(deps: ListsDeps): Pick<Pulls, 'tags' | 'referrers' | 'repositories'> {
  const { clock, cache } = deps

  async function known<T extends TagPage | Referrers>(
    what: string,
    upstream: UpstreamId,
    ask: Ask,
    fetch: (ask: Ask) => Promise<T | undefined>,
  ): Promise<{ answer: T | undefined; outcome: Outcome }> {
    const policy = deps.policyOf(upstream)
    const key = deps.identities.keyOf(what, upstream, policy.rights, ask.credentials)
    const before = cache.get(key)
    // That there is nothing is believed only briefly: it may come any moment.
    const freshForMs = before?.answer ? policy.freshForMs : Math.min(policy.freshForMs, deps.negativeForMs)
    const worth = before ? judge(before, { ...policy, freshForMs }, clock.now()) : 'gone'
    if (before && worth === 'fresh' && !ask.revalidate) return { answer: before.answer as T, outcome: { kind: 'hit' } }
    const stale = (why: string) => {
      const ageMs = clock.now() - before!.checkedAt
      return { answer: before!.answer as T, outcome: { kind: 'stale', ageMs, why } as const }
    }
    if (policy.isOffline) {
      if (before) return stale('this upstream is set to be offline')
      throw new Fault('upstream-unreachable', { url: upstream, why: 'it is set to be offline' })
    }
    try {
      const { value, joined } = await deps.flights.run(key, ask.signal, async (signal) => {
        const list: KnownList = { answer: await fetch({ ...ask, signal }), checkedAt: clock.now() }
        cache.set(key, list)
        return list
      })
      return { answer: value.answer as T, outcome: { kind: joined ? 'collapsed' : 'miss' } }
    } catch (error) {
      if (worth === 'stale' && isUpstreamFailing(error)) return stale(error.message)
      throw error
    }
  }

  async function heldTags(upstream: UpstreamId, repository: Repository): Promise<string[]> {
    const prefix = `${upstream}/${repository}:`
    const names: string[] = []
    for (const table of [deps.records.tags, deps.records.names])
      for await (const [key] of table.entries(prefix)) names.push(key.slice(prefix.length))
    return names.sort()
  }

  return {
    async tags(upstream, repository, page, ask) {
      const what = `${upstream}/${repository}`
      const key = `tags ${what} ${page.n ?? ''} ${page.last ?? ''}`
      try {
        const { answer, outcome } = await known<TagPage>(key, upstream, ask, (ask) =>
          deps.tagLists(upstream).tags(repository, page, ask),
        )
        if (!answer) throw new Fault('not-found', { what, asked: [upstream] })
        return { ...answer, outcome }
      } catch (error) {
        const held =
          isUpstreamFailing(error) || isFault(error, 'upstream-unreachable') ? await heldTags(upstream, repository) : []
        if (held.length === 0) throw error
        const { names, more } = pageOf(held, page)
        const last = names.at(-1)
        const outcome: Outcome = { kind: 'stale', ageMs: 0, why: 'only the tags held here, as the upstream cannot be asked' }
        return { tags: names, next: last !== undefined && more ? { n: page.n, last } : undefined, outcome }
      }
    },
    async referrers(upstream, repository, digest, filter, ask) {
      const what = `${upstream}/${repository}@${digest}`
      const { answer, outcome } = await known<Referrers>(`referrers ${what} ${filter ?? ''}`, upstream, ask, (ask) =>
        deps.upstreams(upstream).referrers(repository, digest, filter, ask),
      )
      if (!answer) throw new Fault('not-found', { what: `the referrers of ${what}`, asked: [upstream] })
      return { ...answer, outcome }
    },
    async repositories(page) {
      const places = new Set<string>()
      for await (const [, facts] of deps.records.blobs.entries()) for (const place of facts.repositories) places.add(place)
      return pageOf([...places].sort(), page)
    },
  }
}

function pageOf(
  sorted: readonly string[],
  { n, last }: { n?: number; last?: string },
): { names: readonly string[]; more: boolean } {
  const rest = last === undefined ? sorted : sorted.filter((name) => name > last)
  return { names: rest.slice(0, n), more: n !== undefined && rest.length > n }
}
