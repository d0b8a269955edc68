import { parseRateLimit, type RateLimit } from '../formats/rate-limit.ts'
import { Fault } from '../model/fault.ts'
import type { UpstreamId } from '../model/reference.ts'
import type { Clock } from '../system/clock.ts'
import type { HttpResponse } from '../system/http.ts'
import type { Logger } from '../system/log.ts'
import { redactUrl } from '../system/redact.ts'

export interface BudgetDeps {
  readonly id: UpstreamId
  readonly url: URL
  readonly reserve: Reserve
  readonly clock: Pick<Clock, 'now'>
  readonly log: Logger
}

/** So much is kept of what a registry allows: a part of it, or a number of questions. */
export type Reserve = { readonly share: number } | { readonly count: number }

/** What a registry says that it may still be asked, and what of that is kept for names nobody here has seen yet. */
export interface Budget {
  /** As it was told last; undefined where nothing was, or so long ago that it means nothing any more. */
  readonly told: Pick<RateLimit, 'limit' | 'remaining'> | undefined
  /** Every answer of the registry itself. */
  heard(answer: Pick<HttpResponse, 'headers'>): void
  /**
   * Asks what counts.
   *
   * @param canDoWithout there is something older to serve
   * @throws Fault 'upstream-limited' where only the reserve is left, and can be done without
   */
  spend<T>(canDoWithout: boolean, ask: () => Promise<T>): Promise<T>
}

const believedForMs = 3_600_000 // where it is not said for how long it holds
const lookAgainMs = 60_000

export function createBudget({ id, url, reserve, clock, log }: BudgetDeps): Budget {
  let newest: { readonly rate: RateLimit; readonly until: number } | undefined
  let asking = 0 // of which it is not told yet
  let wasLow = false

  const told = () => (newest && clock.now() < newest.until ? newest.rate : undefined)

  function keptOf({ limit }: RateLimit): number {
    return 'count' in reserve ? reserve.count : Math.ceil((limit ?? 0) * reserve.share)
  }

  /** Only when it changes: each answer tells it anew. */
  function tell(rate: RateLimit, answer: Pick<HttpResponse, 'headers'>): void {
    const isLow = rate.remaining <= keptOf(rate)
    if (isLow === wasLow) return
    wasLow = isLow
    const { limit, remaining } = rate
    const [source] = answer.headers('docker-ratelimit-source') // our address as it sees it, or our account
    const line = { upstream: id, remaining, limit, ...(source !== undefined && { source: source.slice(0, 100) }) }
    if (isLow) log.warn('budget.low', { ...line, why: 'what is left is kept for names that were never seen here' })
    else log.info('budget.enough', line)
  }

  return {
    get told() {
      return told()
    },
    heard(answer) {
      const rate = parseRateLimit(answer.headers)
      if (!rate) return
      newest = { rate, until: clock.now() + (rate.resetMs ?? rate.windowMs ?? believedForMs) }
      tell(rate, answer)
    },
    async spend(canDoWithout, ask) {
      const rate = told()
      if (canDoWithout && rate && rate.remaining - asking <= keptOf(rate)) throw spared(url, rate, keptOf(rate))
      asking++
      try {
        return await ask()
      } finally {
        asking--
      }
    },
  }
}

function spared(url: URL, { limit, remaining }: RateLimit, kept: number): Fault {
  const of = limit === undefined ? '' : ` of ${limit}`
  return new Fault('upstream-limited', {
    url: redactUrl(url),
    retryAfterMs: lookAgainMs,
    spared: `it allows ${remaining}${of} more pulls, and ${kept} are kept for names that were never seen here`,
  })
}
