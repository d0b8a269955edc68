/** How much more a server says that it may be asked. */
export interface RateLimit {
  readonly limit: number | undefined // questions in a window
  readonly remaining: number
  readonly windowMs: number | undefined
  readonly resetMs: number | undefined // until there are more again
}

/** Every line of a field, by its name in lower case. */
export type FieldLines = (name: string) => readonly string[]

interface Item {
  readonly value: string
  readonly parameters: ReadonlyMap<string, string>
}

const longestMs = 366 * 86_400_000 // a reset that is a time of day, as some write it, is far beyond

/**
 * Reads what Docker Hub says (`ratelimit-remaining: 76;w=21600`) and the three forms that the IETF's draft had one after
 * the other. Of several limits it is the one with the least left. Undefined where nothing is said of what is left.
 *
 * @see https://docs.docker.com/docker-hub/usage/pulls/; draft-ietf-httpapi-ratelimit-headers-03, -07, -10
 */
export function parseRateLimit(lines: FieldLines): RateLimit | undefined {
  const items = (name: string) => lines(name).flatMap(parseItems)
  return inThreeFields(items) ?? inOneField(items('ratelimit')) ?? byPolicy(items('ratelimit'), items('ratelimit-policy'))
}

/** `ratelimit-limit: 100;w=21600`, `ratelimit-remaining: 76`, `ratelimit-reset: 50`; after the limit its quotas may follow. */
function inThreeFields(items: (name: string) => readonly Item[]): RateLimit | undefined {
  const [left] = items('ratelimit-remaining')
  const remaining = countOf(left?.value)
  if (remaining === undefined) return undefined
  const limits = items('ratelimit-limit')
  const limit = countOf(limits[0]?.value)
  const named = [left, ...limits.filter(({ value }) => countOf(value) === limit)].find((one) => one?.parameters.has('w'))
  return {
    limit,
    remaining,
    windowMs: msOf(named?.parameters.get('w')),
    resetMs: msOf(items('ratelimit-reset')[0]?.value),
  }
}

/** `ratelimit: limit=100, remaining=50, reset=30`. */
function inOneField(items: readonly Item[]): RateLimit | undefined {
  const told = new Map(items.map(({ value }) => value.split('=', 2) as [string, string | undefined]))
  const remaining = countOf(told.get('remaining'))
  if (remaining === undefined) return undefined
  return { limit: countOf(told.get('limit')), remaining, windowMs: undefined, resetMs: msOf(told.get('reset')) }
}

/** `ratelimit: "default";r=50;t=30` with `ratelimit-policy: "default";q=100;w=60`. */
function byPolicy(items: readonly Item[], policies: readonly Item[]): RateLimit | undefined {
  const told = items.flatMap(({ value, parameters }): RateLimit[] => {
    const remaining = countOf(parameters.get('r'))
    if (remaining === undefined) return []
    const policy = policies.find((one) => one.value === value)?.parameters
    const [limit, windowMs] = [countOf(policy?.get('q')), msOf(policy?.get('w'))]
    return [{ limit, remaining, windowMs, resetMs: msOf(parameters.get('t')) }]
  })
  return told.sort((a, b) => a.remaining - b.remaining)[0]
}

/** A list with parameters: what is quoted may hold commas and semicolons. @see RFC 9651 §3.1 */
function parseItems(field: string): readonly Item[] {
  return split(field, ',').map((text) => {
    const [value = '', ...parameters] = split(text, ';')
    return {
      value: bare(value),
      parameters: new Map(
        parameters.map((parameter): [string, string] => {
          const [name = '', told = ''] = split(parameter, '=')
          return [name.toLowerCase(), bare(told)]
        }),
      ),
    }
  })
}

function split(text: string, separator: ',' | ';' | '='): readonly string[] {
  const parts = text.match(separator === ',' ? /(?:"[^"]*"|[^",])+/g : separator === ';' ? /(?:"[^"]*"|[^";])+/g : /[^=]+/g)
  return (parts ?? []).map((part) => part.trim()).filter(Boolean)
}

function bare(text: string): string {
  return text.replace(/^"([^"]*)"$/, '$1')
}

function countOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** Of seconds. */
function msOf(text: string | undefined): number | undefined {
  const ms = (countOf(text) ?? Number.NaN) * 1000
  return ms <= longestMs ? ms : undefined
}
