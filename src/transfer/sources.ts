import type { Source } from '../model/artifact.ts'
import { Fault, isFault, remedies } from '../model/fault.ts'

const triesBeforeBytes = 2
const triesAfterBytes = 6
const delaysMs = [0, 200, 1000, 2000, 5000]
const longestWaitMs = 30_000

/** The sources of one fill and how each has behaved in it. */
export interface Sources {
  add(sources: readonly Source[]): void
  /** The best source that may still be asked, `ranged` if it has to give parts; undefined when there is none. */
  pick(needs: { readonly range: boolean }): Source | undefined
  /** All that may still be asked for parts, best first. */
  usable(): readonly Source[]
  /** The source answered with headers. */
  answered(): void
  /** Bytes came: what it did wrong before is forgotten. */
  worked(source: Source): void
  /** Returns how long to wait before asking again, in ms. @throws what the fill fails with, when nobody is left to ask */
  failed(source: Source, error: unknown): number
  /** It answered a range with the whole. */
  isRangeless(source: Source): void
  /** Never ask it again in this fill: its bytes were wrong. */
  exclude(source: Source, fault: Fault): void
  readonly canRange: boolean
  readonly hasAnswered: boolean
  /** The fill begins again from nothing: who gave bytes is forgotten, who was excluded is not. */
  restart(): void
  /** Those whose bytes are in the spool. */
  readonly used: readonly Source[]
}

interface Standing {
  readonly source: Source
  failures: number // in a row
  gaveBytes: boolean
  isRangeless: boolean
  excluded: Fault | undefined
  last: Fault | undefined // what it did wrong last
}

export function createSources(what: string, initial: readonly Source[]): Sources {
  const standings = new Map<string, Standing>()
  let hasBytes = false
  let hasAnswered = false

  const usable = () =>
    [...standings.values()]
      .filter((standing) => !standing.excluded && standing.failures < (hasBytes ? triesAfterBytes : triesBeforeBytes))
      .sort((a, b) => a.failures - b.failures || a.source.priority - b.source.priority)

  /** One source: its own fault, which gets a status of its own. Several: the upstream's clear word, else what each did. */
  function finalFault(last: Fault): Fault {
    const all = [...standings.values()]
    if (all.length === 1) return last
    const upstreams = all.filter(({ source }) => source.place === undefined)
    const [own, ...others] = upstreams.map(({ last }) => last)
    const isClear = others.every((other) => other?.code === own?.code)
    if (isClear && isFault(own, 'not-found', 'upstream-refused', 'upstream-limited')) return own
    const tried = all.map((standing) => (standing.excluded ?? standing.last)?.message ?? standing.source.url.host)
    return new Fault('all-sources-failed', { what, tried }, { cause: last })
  }

  /** Asking it again takes a pause, which grows; asking another that has done nothing wrong takes none. */
  function pauseAfter(failed: Standing, error: Fault): number {
    const [next] = usable()
    if (next !== failed && next?.failures === 0) return 0
    const wanted = isFault(error, 'upstream-limited') ? (error.details.retryAfterMs ?? 1000) : 0
    return Math.min(longestWaitMs, Math.max(wanted, delaysMs[failed.failures - 1] ?? delaysMs.at(-1)!))
  }

  const sources: Sources = {
    add(more) {
      for (const source of more) {
        if (standings.has(source.url.href)) continue
        standings.set(source.url.href, {
          source,
          failures: 0,
          gaveBytes: false,
          isRangeless: false,
          excluded: undefined,
          last: undefined,
        })
      }
    },
    pick({ range }) {
      return usable().find((standing) => !range || !standing.isRangeless)?.source
    },
    usable: () => usable().flatMap(({ source, isRangeless }) => (isRangeless ? [] : source)),
    answered() {
      hasAnswered = true
    },
    worked(source) {
      hasBytes = true
      const standing = standings.get(source.url.href)!
      standing.failures = 0
      standing.gaveBytes = true
    },
    failed(source, error) {
      if (!isFault(error) || remedies[error.code] !== 'next-source') throw error
      const standing = standings.get(source.url.href)!
      standing.failures++
      if (isFinal(error, hasBytes)) standing.excluded = error
      standing.last = error
      if (usable().length === 0) throw finalFault(error)
      return pauseAfter(standing, error)
    },
    isRangeless(source) {
      standings.get(source.url.href)!.isRangeless = true
    },
    exclude(source, fault) {
      const standing = standings.get(source.url.href)!
      standing.excluded = standing.last = fault
    },
    restart() {
      hasBytes = false
      for (const standing of standings.values()) standing.gaveBytes = false
    },
    get hasAnswered() {
      return hasAnswered
    },
    get canRange() {
      return usable().some((standing) => !standing.isRangeless)
    },
    get used() {
      return [...standings.values()].filter((standing) => standing.gaveBytes).map((standing) => standing.source)
    },
  }
  sources.add(initial)
  return sources
}

/** Answers that asking the same place again will not change; `upstream-limited` counts as one while nobody has bytes to lose. */
function isFinal(fault: Fault, hasBytes: boolean): boolean {
  if (isFault(fault, 'upstream-limited')) return !hasBytes
  return isFault(fault, 'not-found', 'upstream-refused', 'outbound-blocked', 'upstream-invalid', 'source-changed', 'corrupt')
}
