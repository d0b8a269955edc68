import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createSecureServer, type Http2SecureServer, type Http2ServerResponse } from 'node:http2'
import { createServer as createTlsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions } from 'node:tls'
import { Http2Answer } from './http2-answer.ts'

/** How a listener speaks TLS. */
export interface TlsOptions {
  readonly context: SecureContextOptions
  readonly clientCertificate: 'optional' | 'required' | undefined
  readonly http2: boolean
}

/** What a request may take of a listener before it is one. */
export interface RequestLimits {
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly clientIdleMs: number
  readonly headerBytes: number
}

/** Any of Node's, as far as they are alike. */
export type WebServer = Server | Http2SecureServer

const keepAliveMs = 75_000 // longer than most clients and balancers keep theirs, so that it is they who close
const checkEveryMs = 1_000 // for heads and requests that take too long
const streamsAtOnce = 250 // of one HTTP/2 connection
const noProxy = 'This is a registry that is pulled from, not a proxy for other hosts: CONNECT is not served.\n'

/** Plain, or speaking TLS: then HTTP/2 too where it is wanted. Listens nowhere yet. */
export function createWebServer(handle: RequestListener, tls: TlsOptions | undefined, limits: RequestLimits): WebServer {
  const server = create(handle, tls, limits)
  setLimits(server, limits)
  server.on('connect', (_request: unknown, other: ServerResponse | Duplex) => refuseConnect(other))
  return server
}

function create(handle: RequestListener, tls: TlsOptions | undefined, limits: RequestLimits): WebServer {
  const http = { keepAliveTimeout: keepAliveMs, noDelay: true, connectionsCheckingInterval: checkEveryMs }
  if (!tls) return createServer(http, handle)
  const secure = {
    ...tls.context,
    ...http,
    handshakeTimeout: limits.headersTimeoutMs,
    requestCert: tls.clientCertificate !== undefined,
    rejectUnauthorized: tls.clientCertificate === 'required',
  }
  if (!tls.http2) return createTlsServer(secure, handle)
  const http2 = { allowHTTP1: true, settings: { maxConcurrentStreams: streamsAtOnce, maxHeaderListSize: limits.headerBytes } }
  const answers = { Http2ServerResponse: Http2Answer as unknown as typeof Http2ServerResponse }
  return createSecureServer({ ...secure, ...http2, ...answers }, (incoming, outgoing) => {
    incoming.headers.host ??= incoming.authority
    handle(incoming as never, outgoing as never)
  })
}

/** Of connections that come from now on; for the heads and requests of all of them. */
export function setLimits(server: WebServer, limits: RequestLimits): void {
  const http1 = server as Server // an HTTP/2 server has these for its connections that speak HTTP/1.1
  ;(http1 as { maxHeaderSize?: number }).maxHeaderSize = limits.headerBytes
  http1.requestTimeout = limits.requestTimeoutMs
  http1.headersTimeout = Math.min(limits.headersTimeoutMs, limits.requestTimeoutMs || limits.headersTimeoutMs)
  http1.timeout = limits.clientIdleMs
}

function refuseConnect(other: ServerResponse | Duplex): void {
  const fields = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(noProxy.length)]
  if (other instanceof Http2Answer) {
    other.writeHead(405, fields)
    ;(other as unknown as ServerResponse).end(noProxy)
    return
  }
  const { _httpMessage: before } = other as { _httpMessage?: unknown }
  if (before) return void other.destroy() // an answer is under way, which this would be taken for a part of
  const head = ['HTTP/1.1 405 Method Not Allowed', 'Content-Type: text/plain; charset=utf-8', 'Connection: close']
  other.on('error', () => {})
  ;(other as Duplex).end(`${head.join('\r\n')}\r\nContent-Length: ${noProxy.length}\r\n\r\n${noProxy}`)
}
