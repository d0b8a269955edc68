import type { Lookup, Passing } from '../../catalog/catalog.ts'
import { Fault, isFault } from '../../model/fault.ts'
import type { UpstreamId } from '../../model/reference.ts'
import type { Exchange } from '../exchange.ts'
import { answerShortly } from '../short-answer.ts'

export interface KeysDeps {
  readonly catalog: Pick<Passing, 'lookup'>
  /** All upstreams with keyservers, first the one that is meant where none is named. */
  readonly libraries: readonly UpstreamId[]
}

const operations: Readonly<Record<string, string>> = {
  get: 'application/pgp-keys',
  index: 'text/plain; charset=utf-8',
  vindex: 'text/plain; charset=utf-8',
}
const passedOn = ['search', 'exact', 'fingerprint', 'options', 'x-pagesize', 'x-pagetoken'] as const
const longest = 1000

/**
 * Keys of signers, as upstreams' keyservers have them. Clients ask at the root of our host, with the token they have for us,
 * which stays here.
 *
 * @see draft-gallagher-openpgp-hkp
 */
export function createKeyRoute({ catalog, libraries }: KeysDeps) {
  /** @throws Fault 'not-found', 'upstream-…' */
  async function find(exchange: Exchange, upstreams: readonly UpstreamId[], question: string): Promise<Lookup> {
    const missing = new Fault('not-found', { what: 'such a key', asked: upstreams.map((id) => `the keyserver of "${id}"`) })
    let failure: unknown
    for (const upstream of upstreams) {
      try {
        const answer = await catalog.lookup({ upstream, about: 'keys' }, question, exchange)
        if (answer.found) return answer
      } catch (error) {
        if (isFault(error, 'cancelled', 'internal')) throw error
        failure ??= error
      }
    }
    throw failure ?? missing
  }

  /** `upstream`: the one named in the path. @throws Fault 'request-invalid' */
  return async (exchange: Exchange, upstream: UpstreamId | undefined, query: string): Promise<void> => {
    const asked = new URLSearchParams(query)
    const operation = asked.get('op') ?? ''
    const mediaType = Object.hasOwn(operations, operation) ? operations[operation] : undefined
    if (mediaType === undefined) throw new Fault('request-invalid', { what: 'op', why: 'expected get, index or vindex' })
    if (!asked.get('search')) throw new Fault('request-invalid', { what: 'search', why: 'it is empty' })
    const question = new URLSearchParams({ op: operation })
    for (const name of passedOn) {
      const value = asked.get(name)
      if (value && value.length > longest) throw new Fault('request-invalid', { what: name, why: 'it is too long' })
      if (value) question.set(name, value)
    }
    const all = upstream === undefined ? libraries : [upstream]
    // A key is told by its fingerprint, wherever it comes from; a list is one keyserver's.
    const meant = operation === 'get' ? all : all.slice(0, 1)
    if (meant.length === 0) throw new Fault('upstream-unknown', { name: '(no library)' })
    const { found, outcome } = await find(exchange, meant, `pks/lookup?${question}`)
    const { body, nextPage } = found!
    const own = nextPage === undefined ? [] : ['X-HKP-Next-Page-Token', nextPage]
    answerShortly(exchange, { body, mediaType, outcome, own })
  }
}
