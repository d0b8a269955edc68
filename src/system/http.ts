import type { IncomingHttpHeaders } from 'node:http'
import { Fault } from '../model/fault.ts'
import { createDispatchers, type DialSettings } from './dispatchers.ts'
import { type Answer, exchange } from './http-exchange.ts'
import { bodyFault, requestFault } from './http-faults.ts'
import { createOutbound, type OutboundSettings } from './outbound.ts'
import { createReceiveBuffers } from './receive-buffers.ts'
import { redactUrl } from './redact.ts'

const mostHops = 8
const redirects = new Set([301, 302, 303, 307, 308])

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal: AbortSignal
}

export interface HttpResponse {
  readonly status: number
  readonly url: URL // where it came from, after redirects
  readonly hops: number
  header(name: string): string | undefined
  /** Every field line of that name. */
  headers(name: string): readonly string[]
  /**
   * To be read to the end, or the request's signal aborted. A chunk's bytes are good until the next one is asked for.
   *
   * @throws Fault 'source-cut', 'upstream-timeout'
   */
  readonly body: AsyncIterable<Uint8Array>
  /** The body as one piece. @throws Fault 'too-large' past `limit` bytes */
  bytes(limit: number): Promise<Uint8Array>
  /** Lets go of a body nobody wants; the connection can be used again if the rest is short. */
  discard(): Promise<void>
  /** Ends the connection of a body that nobody wants and that may be long or never come. */
  cancel(): void
}

/** The one door to other servers. */
export interface Http {
  /**
   * Follows redirects, each checked; credentials are left behind when the origin changes.
   *
   * @throws Fault 'upstream-unreachable', 'upstream-timeout', 'upstream-invalid' (redirects), 'outbound-blocked'
   */
  request(request: HttpRequest): Promise<HttpResponse>
  /** May a URL that somebody else named be asked: https, or a place of the settings, and not this server? What its name resolves to is checked besides. */
  mayLearn(url: URL): boolean
  close(): Promise<void>
}

export interface HttpSettings extends DialSettings, OutboundSettings {
  readonly userAgent: string
}

export function createHttp(settings: HttpSettings): Http {
  const outbound = createOutbound(settings)
  const buffers = createReceiveBuffers()
  const dispatchers = createDispatchers(settings, outbound, buffers.onread)

  async function once({ method, url, headers, body, signal }: HttpRequest): Promise<Answer> {
    outbound.check(url)
    // Digests are of the bytes as they are, so no coding of them is wanted.
    const all = { 'user-agent': settings.userAgent, 'accept-encoding': 'identity', ...headers }
    try {
      return await exchange(dispatchers.for(url), { url, method, headers: all, body, signal }, buffers)
    } catch (error) {
      throw signal.aborted ? signal.reason : requestFault(url, error, settings)
    }
  }

  async function request(first: HttpRequest): Promise<HttpResponse> {
    let current = first
    for (let hops = 0; ; hops++) {
      const answer = await once(current)
      const location = redirects.has(answer.status) ? one(answer.headers.location) : undefined
      if (location === undefined) return response(current, answer, hops, settings)
      await answer.drain(16 * 1024)
      if (hops >= mostHops)
        throw new Fault('upstream-invalid', { url: redactUrl(first.url), why: `it redirects more than ${mostHops} times` })
      current = redirected(current, location, answer.status)
    }
  }

  const mayLearn = (url: URL) =>
    (url.protocol === 'https:' || outbound.isConfigured(url)) && outbound.refusalOf(url) === undefined

  return { request, mayLearn, close: dispatchers.close }
}

function redirected(from: HttpRequest, location: string, status: number): HttpRequest {
  const url = URL.parse(location, from.url.href)
  const invalid = (why: string) => new Fault('upstream-invalid', { url: redactUrl(from.url), why })
  if (!url) throw invalid('it redirects to something that is no URL')
  if (from.url.protocol === 'https:' && url.protocol !== 'https:')
    throw invalid(`it redirects from https to ${url.protocol.slice(0, -1)}`)
  const headers = Object.entries(from.headers ?? {}).filter(
    ([name]) => url.origin === from.url.origin || !/^(authorization|cookie)$/i.test(name),
  )
  const method = status === 303 && from.method === 'POST' ? 'GET' : from.method
  if (method === 'POST' && url.origin !== from.url.origin) throw invalid('it redirects what was sent to it to another place')
  return { ...from, method, url, headers: Object.fromEntries(headers), ...(method === 'GET' ? { body: undefined } : {}) }
}

function response({ url, signal }: HttpRequest, answer: Answer, hops: number, settings: DialSettings): HttpResponse {
  const { headers, status } = answer
  const expected = lengthOf(headers)

  async function* body(): AsyncGenerator<Uint8Array> {
    let received = 0
    try {
      for await (const chunk of answer.chunks()) {
        received += chunk.length
        yield chunk
      }
    } catch (error) {
      throw signal.aborted ? signal.reason : bodyFault(url, error, received, expected, settings)
    }
  }

  return {
    status,
    url,
    hops,
    header: (name) => one(headers[name]),
    headers: (name) => [headers[name] ?? []].flat(),
    body: body(),
    async bytes(limit) {
      const tooLarge = () => new Fault('too-large', { what: redactUrl(url), limit })
      if (expected !== undefined && expected > limit) {
        answer.cancel()
        throw tooLarge()
      }
      const parts: Uint8Array[] = []
      let size = 0
      for await (const part of body()) {
        size += part.length
        if (size > limit) throw tooLarge()
        parts.push(Buffer.from(part))
      }
      return Buffer.concat(parts)
    },
    discard: () => answer.drain(64 * 1024),
    cancel: answer.cancel,
  }
}

function one(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value[0] : value
}

function lengthOf(headers: IncomingHttpHeaders): number | undefined {
  const text = one(headers['content-length'])
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined
}
