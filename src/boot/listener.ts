import { type RequestListener, STATUS_CODES } from 'node:http'
import type { Http2Session } from 'node:http2'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions, TLSSocket, Server as TlsServer } from 'node:tls'
import type { Refusal } from '../edge/metrics.ts'
import { Fault } from '../model/fault.ts'
import { type Connections, watchConnections } from './connections.ts'
import type { Doorkeeper } from './doorkeeper.ts'
import { createWebServer, type RequestLimits, setLimits, type TlsOptions, type WebServer } from './web-server.ts'

export type Address = { readonly host: string; readonly port: number } | { readonly path: string }

/** One open door. */
export interface Listener {
  readonly url: string // of a unix socket: its path
  /** For connections that come from now on. */
  setCertificates(context: SecureContextOptions): void
  setLimits(limits: RequestLimits): void
  /** Takes no more, ends idle connections, waits for running answers; when the signal aborts, the rest is cut. */
  close(signal: AbortSignal): Promise<void>
}

export interface ListenerDeps {
  readonly tls?: TlsOptions | undefined
  readonly limits?: RequestLimits
  readonly doorkeeper?: Pick<Doorkeeper, 'admit'>
  readonly refused?: (reason: Refusal) => void
}

const lenient: RequestLimits = { headersTimeoutMs: 60_000, requestTimeoutMs: 0, clientIdleMs: 0, headerBytes: 16 * 1024 }

/** @throws Fault 'listen-failed' */
export async function listen(address: Address, handle: RequestListener, deps: ListenerDeps = {}): Promise<Listener> {
  const { tls, limits = lenient, doorkeeper, refused = () => {} } = deps
  const server = createWebServer(
    (incoming, outgoing) => {
      connections.began(incoming, outgoing)
      handle(incoming, outgoing)
    },
    tls,
    limits,
  )
  const connections: Connections = watchConnections(server, {
    admit: (socket) => doorkeeper?.admit(socket) ?? true,
    isImpostor: (socket) => tls?.clientCertificate === 'optional' && showsUnknownCertificate(socket),
  })
  server.on('timeout', (of: Socket | Http2Session) => {
    if (connections.cutIdle(of)) refused('idle-client')
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => refuse(error, socket, refused))
  await start(server, address)

  return {
    url: urlOf(server, address, tls ? 'https' : 'http'),
    setCertificates: (context) => (server as unknown as TlsServer).setSecureContext(context),
    setLimits: (next) => setLimits(server, next),
    async close(signal) {
      const closed = new Promise<void>((resolve) => server.once('close', () => resolve()))
      // http's own close() also ends connections whose answer is written but not yet flushed.
      NetServer.prototype.close.call(server)
      connections.hangUp()
      if (signal.aborted) connections.cut()
      signal.addEventListener('abort', connections.cut, { once: true })
      await closed
      signal.removeEventListener('abort', connections.cut)
      server.close() // what http keeps besides: a timer
    },
  }
}

function showsUnknownCertificate(socket: TLSSocket): boolean {
  return !socket.authorized && Object.keys(socket.getPeerCertificate()).length > 0
}

const statuses: Readonly<Record<string, readonly [status: number, reason?: Refusal]>> = {
  HPE_HEADER_OVERFLOW: [431, 'header-size'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'slow-request'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: [413, 'header-size'],
  ERR_TLS_HANDSHAKE_TIMEOUT: [0, 'slow-request'],
}

/** What is no request is answered where it still can be, and its connection ended. */
function refuse({ code = '' }: NodeJS.ErrnoException, socket: Duplex, refused: (reason: Refusal) => void): void {
  const [status, reason] = statuses[code] ?? [code.startsWith('HPE_') ? 400 : 0, code.startsWith('ERR_SSL_') ? 'tls' : undefined]
  if (reason) refused(reason)
  const { _httpMessage: answer } = socket as { _httpMessage?: { headersSent: boolean } }
  if (status > 0 && socket.writable && !answer?.headersSent)
    socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
  socket.destroy()
}

function start(server: WebServer, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const at = 'path' in address ? address.path : `${address.host}:${address.port}`
      reject(new Fault('listen-failed', { at, why: reasons[error.code ?? ''] ?? error.message }, { cause: error }))
    })
    const place = 'path' in address ? { path: address.path } : { host: address.host, port: address.port }
    server.listen({ ...place, backlog: 4096 }, resolve)
  })
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something else listens there already; choose another port in listen.port',
  EACCES: 'this user may not listen there; ports below 1024 need a privilege',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'there is no host of that name',
}

function urlOf(server: WebServer, address: Address, scheme: string): string {
  if ('path' in address) return address.path
  const { port } = server.address() as AddressInfo
  const isAny = address.host === '0.0.0.0' || address.host === '::'
  const host = isAny ? 'localhost' : address.host
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`
}
