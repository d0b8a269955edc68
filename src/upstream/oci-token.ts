import { createHmac, randomBytes } from 'node:crypto'
import type { Challenge } from '../formats/auth-challenge.ts'
import { Fault, isFault } from '../model/fault.ts'
import type { Clock } from '../system/clock.ts'
import type { Http, HttpResponse } from '../system/http.ts'
import { redactUrl } from '../system/redact.ts'
import { createSingleFlight } from '../system/single-flight.ts'
import type { Credentials } from './credentials.ts'

const answerLimit = 64 * 1024
const defaultLifeMs = 60_000
const failuresKeptMs = 5_000
const mostTokens = 10_000

export interface TokenDeps {
  readonly http: Http
  readonly clock: Clock
  readonly upstream: URL
  /** Hosts, besides the upstream's own domain, that may be its token service. */
  readonly realms: readonly string[]
  /** A token is used for so long at most, whatever its service says. */
  readonly longestLifeMs?: number | undefined
}

/** Bearer tokens of one upstream. @see distribution-spec's token flow as Docker documents it */
export interface Tokens {
  /** @throws Fault 'upstream-refused', 'upstream-invalid', 'outbound-blocked' for a realm that is none of the upstream's */
  get(challenge: Challenge, scope: string, credentials: Credentials | undefined, signal: AbortSignal): Promise<string>
  /** Forgets the token: the upstream refused it. */
  drop(token: string): void
}

interface Known {
  readonly token: string
  readonly until: number // epoch ms
}

export function createTokens({ http, clock, upstream, realms, longestLifeMs = Number.POSITIVE_INFINITY }: TokenDeps): Tokens {
  const secret = randomBytes(32)
  const tokens = new Map<string, Known>()
  const failures = new Map<string, { readonly fault: Fault; readonly until: number }>()
  const flights = createSingleFlight<string, string>()

  async function exchange(
    key: string,
    realm: URL,
    query: URLSearchParams,
    credentials: Credentials | undefined,
    signal: AbortSignal,
  ): Promise<string> {
    const askedAt = clock.now()
    try {
      const json = await ask(realm, query, credentials, signal)
      const token = [json.token, json.access_token].find((one): one is string => typeof one === 'string' && one !== '')
      if (!token || /[^\x21-\x7e]/.test(token))
        throw new Fault('upstream-invalid', { url: redactUrl(realm), why: 'its answer holds no token' })
      const toldMs = typeof json.expires_in === 'number' && json.expires_in > 0 ? json.expires_in * 1000 : defaultLifeMs
      const lifeMs = Math.min(toldMs, longestLifeMs)
      if (tokens.size >= mostTokens) tokens.delete(tokens.keys().next().value!)
      tokens.set(key, { token, until: askedAt + Math.max(lifeMs * 0.8, Math.min(lifeMs, lifeMs - 10_000)) })
      return token
    } catch (error) {
      // What may pass in a moment is left to whoever tries again.
      if (isFault(error, 'upstream-refused', 'upstream-limited', 'upstream-invalid') && !signal.aborted) {
        if (failures.size >= mostTokens) failures.clear()
        failures.set(key, { fault: error, until: clock.now() + failuresKeptMs })
      }
      throw error
    }
  }

  const post = (realm: URL, query: URLSearchParams, grant: Readonly<Record<string, string>>, signal: AbortSignal) =>
    http.request({
      method: 'POST',
      url: realm,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams([...query, ...Object.entries({ ...grant, client_id: 'forebay' })]).toString(),
      signal,
    })

  /** A refresh token goes by POST, a password by GET; a service that will not have that is asked the other way. */
  async function ask(
    realm: URL,
    query: URLSearchParams,
    credentials: Credentials | undefined,
    signal: AbortSignal,
  ): Promise<Record<string, unknown>> {
    let refused: HttpResponse | undefined
    if (credentials?.kind === 'identity') {
      const grant = { grant_type: 'refresh_token', refresh_token: credentials.token }
      const posted = await post(realm, query, grant, signal)
      if (posted.status === 200) return read(posted)
      await posted.discard()
      if (![400, 401, 404, 405].includes(posted.status)) throw refusal(posted)
      if (posted.status === 401) refused = posted
    }
    const url = new URL(realm)
    for (const [name, value] of query) url.searchParams.append(name, value)
    const answer = await http.request({ method: 'GET', url, headers: login(credentials), signal })
    if (answer.status === 200) return read(answer)
    await answer.discard()
    if (credentials?.kind === 'password' && [404, 405].includes(answer.status)) {
      const { username, password } = credentials
      const posted = await post(realm, query, { grant_type: 'password', username, password }, signal)
      if (posted.status === 200) return read(posted)
      await posted.discard()
      refused = posted
    }
    throw refusal(refused ?? answer)
  }

  return {
    async get(challenge, scope, credentials, signal) {
      const realm = realmOf(challenge, upstream, realms)
      const service = challenge.parameters.get('service')
      const identity = credentials
        ? createHmac('sha256', secret).update(JSON.stringify(credentials)).digest('base64')
        : 'anonymous'
      const key = [realm.href, service ?? '', scope, identity].join('\n')
      const known = tokens.get(key)
      if (known && known.until > clock.now()) return known.token
      const failed = failures.get(key)
      if (failed && failed.until > clock.now()) throw failed.fault
      const query = new URLSearchParams({ ...(service ? { service } : {}), scope })
      return (await flights.run(key, signal, (shared) => exchange(key, realm, query, credentials, shared))).value
    },
    drop(token) {
      for (const [key, known] of tokens) if (known.token === token) tokens.delete(key)
    },
  }
}

function login(credentials: Credentials | undefined): Record<string, string> {
  if (credentials?.kind === 'password') return { authorization: basic(credentials) }
  return credentials?.kind === 'identity' ? { authorization: basic({ username: '<token>', password: credentials.token }) } : {}
}

export function basic({ username, password }: { username: string; password: string }): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

async function read(answer: HttpResponse): Promise<Record<string, unknown>> {
  try {
    const json: unknown = JSON.parse(Buffer.from(await answer.bytes(answerLimit)).toString('utf8'))
    if (typeof json === 'object' && json !== null) return json as Record<string, unknown>
  } catch (error) {
    if (error instanceof Fault && !isFault(error, 'too-large')) throw error
  }
  throw new Fault('upstream-invalid', { url: redactUrl(answer.url), why: 'its answer is not a small JSON object' })
}

function refusal({ status, url }: HttpResponse): Fault {
  if (status === 401 || status === 403) return new Fault('upstream-refused', { url: redactUrl(url), status })
  return status === 429
    ? new Fault('upstream-limited', { url: redactUrl(url) })
    : new Fault('upstream-status', { url: redactUrl(url), status })
}

/** A challenge is the upstream's word, and credentials go where it points: only to itself, its domain, or a listed service. */
function realmOf(challenge: Challenge, upstream: URL, realms: readonly string[]): URL {
  const realm = URL.parse(challenge.parameters.get('realm') ?? '')
  if (!realm) throw new Fault('upstream-invalid', { url: redactUrl(upstream), why: 'its challenge names no realm' })
  const refuse = (why: string) => new Fault('outbound-blocked', { url: redactUrl(realm), why })
  if (realm.protocol !== 'https:' && realm.protocol !== upstream.protocol) throw refuse('a token service must be asked by https')
  const isOwn = realm.hostname === upstream.hostname || domainOf(realm.hostname) === domainOf(upstream.hostname)
  if (!isOwn && !realms.includes(realm.hostname)) throw refuse(`it is no token service of ${upstream.hostname}`)
  return realm
}

/** The last two labels of a name, three below a two-letter suffix of short parts such as co.uk; an address is its own domain. */
function domainOf(hostname: string): string {
  if (/^[\d.]+$|^\[/.test(hostname)) return hostname
  const labels = hostname.split('.')
  const isShort = labels.length > 2 && labels.at(-1)!.length === 2 && labels.at(-2)!.length <= 3
  return labels.slice(isShort ? -3 : -2).join('.')
}
