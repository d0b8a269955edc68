import type { OutgoingHttpHeaders } from 'node:http'
import { type Answer, errorAnswer } from './answer.ts'

/** As Docker Hub counts: a GET of a manifest is a pull, nothing else is, and every answer about one tells what is left. */
export interface AllowanceOptions {
  readonly limit: number
  readonly windowSeconds?: number // 6 hours unless said
  readonly retryAfter?: number // seconds, with 429; not said unless said
}

export interface Allowance {
  /** As many as the test likes. */
  remaining: number
  /** The answer about a manifest, counted. */
  count(method: string | undefined, answer: () => Answer): Answer
}

export function createAllowance({ limit, windowSeconds = 21_600, retryAfter }: AllowanceOptions): Allowance {
  const told = (): OutgoingHttpHeaders => ({
    'ratelimit-limit': `${limit};w=${windowSeconds}`,
    'ratelimit-remaining': `${allowance.remaining};w=${windowSeconds}`,
    'docker-ratelimit-source': '192.0.2.7',
  })

  const allowance: Allowance = {
    remaining: limit,
    count(method, answer) {
      if (method === 'GET' && allowance.remaining === 0)
        return errorAnswer(429, 'TOOMANYREQUESTS', {
          ...told(),
          ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }),
        })
      if (method === 'GET') allowance.remaining--
      const right = answer()
      return { ...right, headers: { ...right.headers, ...told() } }
    },
  }
  return allowance
}
