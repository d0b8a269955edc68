import { type Fault, isFault } from '../model/fault.ts'
import type { UpstreamId } from '../model/reference.ts'
import { type Circuit, createCircuit } from '../system/circuit.ts'
import type { Clock } from '../system/clock.ts'
import type { Http, HttpResponse } from '../system/http.ts'
import { createPlaces } from '../system/places.ts'
import { redactUrl } from '../system/redact.ts'
import { checkedBody, leavingAfter, partFields } from './body-answer.ts'
import type { CredentialSource } from './credentials.ts'
import { basic } from './oci-token.ts'
import { patiently } from './patience.ts'
import { type MessageIn, refusalOf } from './refusal.ts'
import type { SourceBody, SourceReader } from './upstream.ts'

export interface WebSessionDeps {
  readonly id: UpstreamId
  readonly url: URL // what it gives lies below this path
  readonly http: Http
  readonly clock: Clock
  readonly credentials: CredentialSource
  readonly isPublic: boolean
  readonly maxConnections: number // bodies at once
  readonly messageIn?: MessageIn // its errors say nothing unless there is one
}

/** Requests to a web server that takes credentials as they are, with each request, if any. */
export interface WebSession {
  /** Below the path of the upstream; `path` is escaped already. */
  urlOf(path: string): URL
  /** A small answer of any status but 5xx. Credentials go to the upstream's own origin only. @throws Fault 'upstream-…' */
  ask(method: 'GET' | 'HEAD', url: URL, signal: AbortSignal, headers?: Readonly<Record<string, string>>): Promise<HttpResponse>
  /** What an answer that is no success means, with the reason it gives. Its body is read. */
  refusal(answer: HttpResponse): Promise<Fault>
  /** Bytes of a file, from wherever the answer leads. @throws as `SourceReader` */
  read(url: URL, want: Parameters<SourceReader['read']>[1], signal: AbortSignal): Promise<SourceBody>
}

export function createWebSession({ url: base, http, clock, credentials, maxConnections, ...deps }: WebSessionDeps): WebSession {
  const circuit: Circuit = createCircuit({ clock, name: redactUrl(base), isFailure })
  const places = createPlaces(maxConnections)
  const folder = base.pathname.replace(/\/+$/, '')
  const { messageIn = () => undefined } = deps

  async function proof(url: URL): Promise<Readonly<Record<string, string>>> {
    const who = url.origin === base.origin ? await credentials() : undefined
    if (!who) return {}
    return { authorization: who.kind === 'password' ? basic(who) : `Bearer ${who.token}` }
  }

  const refusal = async (answer: HttpResponse) => refusalOf(answer, messageIn, await credentials())

  return {
    urlOf: (path) => new URL(`${folder}/${path}`, base),
    ask: (method, url, signal, headers = {}) =>
      circuit.run(() =>
        patiently(
          clock,
          { signal },
          async () => http.request({ method, url, headers: { ...headers, ...(await proof(url)) }, signal }),
          refusal,
        ),
      ),
    refusal,
    read: (url, want, signal) =>
      circuit.run(async () => {
        const leave = await places.enter(signal)
        want.sent?.()
        signal.addEventListener('abort', leave, { once: true })
        try {
          const headers = { ...partFields(want), ...(await proof(url)) }
          const answer = await http.request({ method: 'GET', url, headers, signal })
          return { ...checkedBody(answer, want.range), body: leavingAfter(answer.body, leave) }
        } catch (error) {
          leave()
          throw error
        }
      }),
  }
}

function isFailure(error: unknown): boolean {
  return (
    isFault(error, 'upstream-unreachable', 'upstream-timeout') ||
    (isFault(error, 'upstream-status') && error.details.status >= 500)
  )
}
