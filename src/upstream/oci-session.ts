import { type Challenge, parseChallenges } from '../formats/auth-challenge.ts'
import { parseRateLimit } from '../formats/rate-limit.ts'
import { Fault, isFault } from '../model/fault.ts'
import type { Repository } from '../model/reference.ts'
import type { Clock } from '../system/clock.ts'
import type { Http, HttpResponse } from '../system/http.ts'
import { redactUrl } from '../system/redact.ts'
import type { CredentialSource, Credentials } from './credentials.ts'
import { basic, createTokens } from './oci-token.ts'
import { patiently } from './patience.ts'

const mostTries = 4 // without a token, with one, with the one a second challenge asks for, after a fresh start

export interface SessionDeps {
  readonly http: Http
  readonly clock: Clock
  readonly url: URL // of the registry; `/v2/` follows its path
  readonly credentials: CredentialSource
  readonly realms: readonly string[]
  readonly tokensForMs?: number | undefined // at most; as long as their service says, if not said
  /** Each answer of the registry itself, not of where it redirects to. */
  readonly heard: (answer: HttpResponse) => void
}

export interface SessionRequest {
  readonly method: 'GET' | 'HEAD'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  readonly repository: Repository
  readonly signal: AbortSignal
}

/** Requests to one registry, with whatever it takes to be let in. */
export interface Session {
  urlOf(path: string): URL
  /** Any status but 401. @throws Fault 'upstream-refused' when no login helps; those of the http door */
  send(request: SessionRequest): Promise<HttpResponse>
  /** The same for small answers: asked again after a failure that may pass. @throws Fault 'upstream-status' for 5xx */
  sendPatiently(request: SessionRequest): Promise<HttpResponse>
}

export function createSession({ http, clock, url: base, credentials, realms, heard, tokensForMs }: SessionDeps): Session {
  const tokens = createTokens({ http, clock, upstream: base, realms, longestLifeMs: tokensForMs })
  let lastChallenge: Challenge | undefined // registries ask the same of everybody, so the next request can be ready for it

  const urlOf = (path: string) => new URL(`${base.pathname.replace(/\/+$/, '')}/v2/${path}`, base)

  async function authorization(challenge: Challenge, scope: string, signal: AbortSignal): Promise<string | undefined> {
    const who = await credentials()
    if (who?.kind === 'bearer') return `Bearer ${who.token}`
    if (challenge.scheme === 'bearer') return `Bearer ${await tokens.get(challenge, scope, who, signal)}`
    return challenge.scheme === 'basic' && who?.kind === 'password' ? basic(who) : undefined
  }

  /** A token service that fails may be another one by now: the next request asks the registry again. */
  async function proofBefore(scope: string, signal: AbortSignal): Promise<string | undefined> {
    try {
      return lastChallenge && (await authorization(lastChallenge, scope, signal))
    } catch (error) {
      if (!isFault(error, 'upstream-refused', 'upstream-limited')) lastChallenge = undefined
      throw error
    }
  }

  /** Some 401s say nothing of how to log in; the registry's front door does. */
  async function challengeOf(refused: HttpResponse, signal: AbortSignal): Promise<Challenge | undefined> {
    const told = choose(parseChallenges(refused.headers('www-authenticate')), await credentials())
    if (told) return told
    const ping = await http.request({ method: 'GET', url: urlOf(''), signal })
    await ping.discard()
    return choose(parseChallenges(ping.headers('www-authenticate')), await credentials())
  }

  async function send({ repository, ...request }: SessionRequest): Promise<HttpResponse> {
    const { signal, url } = request
    // The scope is built here: what challenges suggest is a placeholder at some registries.
    let scope = `repository:${repository}:pull`
    let proof = await proofBefore(scope, signal)
    let mayStartOver = proof !== undefined
    for (let tries = 1; ; tries++) {
      const headers = { ...request.headers, ...(proof ? { authorization: proof } : {}) }
      const answer = await http.request({ ...request, headers })
      // A 401 from where a redirect led is not the registry's.
      if (answer.url.origin !== base.origin) return answer
      heard(answer)
      if (answer.status !== 401) return answer
      await answer.discard()
      if (proof?.startsWith('Bearer ')) {
        tokens.drop(proof.slice('Bearer '.length))
        // What is said to an expired token may lead astray (nvcr.io); what is said to nobody is right.
        if (mayStartOver && !wantsMore(answer)) {
          mayStartOver = false
          proof = undefined
          continue
        }
      }
      const challenge = tries < mostTries ? await challengeOf(answer, signal) : undefined
      if (!challenge) throw new Fault('upstream-refused', { url: redactUrl(url), status: 401 })
      scope = widened(scope, challenge)
      const next = await authorization(challenge, scope, signal)
      lastChallenge = challenge
      if (!next || (next === proof && next.startsWith('Basic ')))
        throw new Fault('upstream-refused', { url: redactUrl(url), status: 401 })
      proof = next
    }
  }

  return { urlOf, send, sendPatiently: (request) => patiently(clock, request, () => send(request)) }
}

/** Basic needs a name and password; without them only a token service can help. */
function choose(challenges: readonly Challenge[], who: Credentials | undefined): Challenge | undefined {
  const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
  return bearer ?? (who ? challenges.find(({ scheme }) => scheme === 'basic') : undefined)
}

function wantsMore(refused: HttpResponse): boolean {
  return parseChallenges(refused.headers('www-authenticate')).some(
    ({ parameters }) => parameters.get('error') === 'insufficient_scope',
  )
}

/** A registry may ask for more than pull on this repository; it is added to what was asked before, never instead. */
function widened(scope: string, challenge: Challenge): string {
  const more = challenge.parameters.get('error') === 'insufficient_scope' ? challenge.parameters.get('scope') : undefined
  return more && more !== scope && /^[\x21-\x7e ]{1,500}$/.test(more)
    ? [...new Set([...scope.split(' '), ...more.split(' ')])].join(' ')
    : scope
}

/** What a final answer that is not a success means. */
export function statusFault(answer: HttpResponse): Fault {
  const url = redactUrl(answer.url)
  const { status } = answer
  if (status === 401 || status === 403) return new Fault('upstream-refused', { url, status })
  if (status === 404) return new Fault('not-found', { what: url })
  if (status === 429) {
    const retryAfterMs = retryAfter(answer.header('retry-after')) ?? parseRateLimit(answer.headers)?.resetMs
    return new Fault('upstream-limited', { url, retryAfterMs })
  }
  return new Fault('upstream-status', { url, status })
}

/** Seconds or a date. @see RFC 9110 §10.2.3 */
function retryAfter(field: string | undefined): number | undefined {
  if (field === undefined) return undefined
  const ms = /^\d{1,9}$/.test(field.trim()) ? Number(field) * 1000 : Date.parse(field) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}
