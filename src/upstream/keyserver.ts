import { parseKeyserver } from '../formats/remote-endpoint.ts'
import { Fault } from '../model/fault.ts'
import type { UpstreamId } from '../model/reference.ts'
import type { Clock } from '../system/clock.ts'
import type { Http } from '../system/http.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import { redactUrl } from '../system/redact.ts'
import { lookUp } from './look-up.ts'
import { statusFault } from './oci-session.ts'
import type { Lookups } from './upstream.ts'
import { createWebSession, type WebSession } from './web-session.ts'

export interface KeyserverDeps {
  readonly id: UpstreamId
  readonly library: URL
  /** Where the settings say that keys are looked up; else where the library says. */
  readonly configured: URL | undefined
  readonly http: Http
  readonly clock: Clock
}

const longestConfig = 64 * 1024
const nameKnownForMs = 3_600_000
const nowhereForMs = 60_000
const configPath = 'assets/config/config.prod.json'

/**
 * Where the keys of a library's signers are looked up. Nobody's credentials are sent there, neither ours nor a client's.
 *
 * @see draft-gallagher-openpgp-hkp
 */
export function createKeyserver({ id, library, configured, http, clock }: KeyserverDeps): Lookups {
  const anonymous = async () => undefined
  const common = { id, http, clock, credentials: anonymous, isPublic: true, maxConnections: 1 }
  const discovered = createMemoryCache<string, WebSession | Fault>({ maxEntries: 1, clock })
  const own = configured && createWebSession({ ...common, url: configured })

  /** What an endpoint says is somebody else's word: it is asked only if a place learnt from an answer may be. */
  async function discover(signal: AbortSignal): Promise<WebSession> {
    const known = discovered.get(id)
    if (known instanceof Fault) throw known
    if (known) return known
    const url =
      (await named(library, signal)) ?? (library.pathname === '/' ? undefined : await named(new URL('/', library), signal))
    if (!url) throw nowhere(`${redactUrl(library)} names no keyserver`)
    if (!http.mayLearn(url))
      throw new Fault('outbound-blocked', {
        url: redactUrl(url),
        why: `${redactUrl(library)} names it as its keyserver, and it is neither https nor named in outbound.allow`,
      })
    const session = createWebSession({ ...common, url })
    discovered.set(id, session, nameKnownForMs)
    return session
  }

  async function named(endpoint: URL, signal: AbortSignal): Promise<URL | undefined> {
    const session = createWebSession({ ...common, url: endpoint })
    const answer = await session.ask('GET', session.urlOf(configPath), signal)
    if (answer.status === 200) return parseKeyserver(await answer.bytes(longestConfig))
    await answer.discard()
    if (answer.status === 404) return undefined
    throw statusFault(answer)
  }

  function nowhere(why: string): Fault {
    const fault = new Fault('not-found', { what: `a keyserver of "${id}" (${why}; set upstreams.${id}.keyserver)` })
    discovered.set(id, fault, nowhereForMs)
    return fault
  }

  return {
    async lookup(question, signal) {
      const session = own ?? (await discover(signal))
      const found = await lookUp(session, question, signal)
      if (found && !isOfKeys(found.body, question))
        throw new Fault('upstream-invalid', { url: redactUrl(session.urlOf(question)), why: 'there is no key in it' })
      return found
    },
  }
}

/** What a keyserver says of keys, and not what some portal says of itself. */
function isOfKeys(body: Uint8Array, question: string): boolean {
  const query = new URLSearchParams(question.slice(question.indexOf('?')))
  const text = Buffer.from(body.buffer, body.byteOffset, body.length).toString('latin1')
  if (query.get('op') === 'get') return text.includes('-----BEGIN PGP PUBLIC KEY BLOCK-----')
  return query.get('options') !== 'mr' || /^(?:info|pub):/m.test(text)
}
