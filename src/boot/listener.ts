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
export interface Listener extends Reception {
  readonly url: string // of a unix socket: its path
}

/** Where connections are served, wherever they come in. */
export interface Reception {
  /** One that came in elsewhere. */
  take(socket: Socket): void
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
  const { server, reception } = create(handle, deps)
  await start(server as NetServer, address)
  return { ...reception, url: urlOf(server as NetServer, address, deps.tls ? 'https' : 'http') }
}

/** For connections that are taken elsewhere and handed on to here. */
export function receive(handle: RequestListener, deps: ListenerDeps): Reception {
  const { server, reception } = create(handle, deps)
  server.emit('listening') // from then on http looks after requests that take too long
  return reception
}

function create(handle: RequestListener, deps: ListenerDeps): { server: WebServer; reception: Reception } {
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

  const reception: Reception = {
    take(socket) {
      socket.allowHalfOpen = tls === undefined // as of those that a server of Node's own takes
      server.emit('connection', socket)
    },
    setCertificates: (context) => (server as unknown as TlsServer).setSecureContext(context),
    setLimits: (next) => setLimits(server, next),
    async close(signal) {
      const closed = server.listening ? new Promise<void>((resolve) => server.once('close', () => resolve())) : undefined
      // http's own close() also ends connections whose answer is written but not yet flushed.
      if (closed) NetServer.prototype.close.call(server)
      connections.hangUp()
      if (signal.aborted) connections.cut()
      signal.addEventListener('abort', connections.cut, { once: true })
      await Promise.all([closed, connections.over()])
      signal.removeEventListener('abort', connections.cut)
      server.close() // what http keeps besides: a timer
    },
  }
  return { server, reception }
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

/** @throws Fault 'listen-failed' */
export function start(server: NetServer, address: Address): Promise<void> {
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

/** Of one that listens. */
export function urlOf(server: NetServer, address: Address, scheme: 'http' | 'https'): string {
  if ('path' in address) return address.path
  const { port } = server.address() as AddressInfo
  const isAny = address.host === '0.0.0.0' || address.host === '::'
  const host = isAny ? 'localhost' : address.host
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`
}
