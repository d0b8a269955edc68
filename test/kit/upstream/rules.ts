import type { IncomingMessage } from 'node:http'

/** Which requests a fault or a gate means. Everything given must hold. */
export interface Where {
  /** A text that the path (without query) contains, a pattern, or a test of it. */
  readonly path?: string | RegExp | ((path: string) => boolean)
  readonly method?: 'GET' | 'HEAD' | 'POST'
  /** Counted among the requests that fit otherwise, from 1. */
  readonly nth?: number | readonly number[]
  readonly on?: Place
}

/** The three doors of a fake upstream. */
export type Place = 'registry' | 'cdn' | 'realm'

/** What one answer does wrong. `flipAt` counts in the whole blob, the other offsets in the body of that answer. */
export interface Fault {
  // before an answer
  readonly reset?: boolean // the socket is destroyed without a word
  readonly stall?: number | 'for ever' // ms before the headers
  // another answer
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | readonly string[] | undefined>> // undefined removes
  readonly body?: string | Uint8Array
  // the right answer, told wrongly
  readonly lengthBy?: number // added to Content-Length; the body stays as it is
  readonly length?: 'chunked' | 'close' // no Content-Length: chunked, or delimited by the end of the connection
  readonly ignoreRange?: boolean // 200 and the whole
  readonly contentRange?: string
  readonly total?: number // in Content-Range
  readonly etag?: string
  readonly gzip?: boolean // Content-Encoding: gzip, asked for or not
  // the body
  readonly flipAt?: number | ((start: number) => number) // told where the body begins in the blob
  readonly cutAfter?: number // bytes, then the socket is destroyed
  readonly stallAfter?: number // bytes, then `stallMs` or for ever
  readonly stallMs?: number
  readonly bytesPerSecond?: number
  readonly drip?: { readonly bytes: number; readonly everyMs: number }
  /** Called when the answer is over, however it ended. */
  readonly afterwards?: () => void
}

/** What to do wrong with a request that no rule means; asked once for each. */
export type Deal = (asked: {
  readonly on: Place
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
}) => Fault | undefined

export interface Rule<What> {
  readonly where: Where
  readonly what: What
  hits: number
  readonly remove: () => void
}

export interface Rules<What> {
  add(where: Where, what: What): Rule<What>
  /** The newest rule that this request falls under, counted. Asked once a request. */
  take(request: Pick<IncomingMessage, 'method'>, path: string, on: Place): What | undefined
  clear(): void
}

export function createRules<What>(): Rules<What> {
  let rules: { rule: Rule<What>; seen: number }[] = []
  return {
    add(where, what) {
      const rule: Rule<What> = { where, what, hits: 0, remove: () => (rules = rules.filter((other) => other.rule !== rule)) }
      rules.unshift({ rule, seen: 0 })
      return rule
    },
    take(request, path, on) {
      let taken: Rule<What> | undefined
      for (const entry of rules) {
        if (!fits(entry.rule.where, request, path, on)) continue
        entry.seen++
        if (!taken && isDue(entry.rule.where.nth, entry.seen)) taken = entry.rule
      }
      if (taken) taken.hits++
      return taken?.what
    },
    clear() {
      rules = []
    },
  }
}

function fits(
  { path: wanted, method, on }: Where,
  request: Pick<IncomingMessage, 'method'>,
  path: string,
  place: Place,
): boolean {
  if (method !== undefined && request.method !== method) return false
  if (on !== undefined && on !== place) return false
  if (wanted === undefined) return true
  if (typeof wanted === 'function') return wanted(path)
  return typeof wanted === 'string' ? path.includes(wanted) : wanted.test(path)
}

function isDue(nth: Where['nth'], seen: number): boolean {
  return nth === undefined || (typeof nth === 'number' ? nth === seen : nth.includes(seen))
}
