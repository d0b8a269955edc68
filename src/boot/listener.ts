import { createServer, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import { Fault } from '../model/fault.ts'

export type Address = { readonly host: string; readonly port: number } | { readonly path: string }

/** One open door. */
export interface Listener {
  readonly url: string // of a unix socket: its path
  /** Takes no more, ends idle connections, waits for running answers; when the signal aborts, the rest is cut. */
  close(signal: AbortSignal): Promise<void>
}

const keepAliveMs = 75_000 // longer than most clients and balancers keep theirs, so that it is they who close

/** @throws Fault 'listen-failed' */
export async function listen(address: Address, handle: RequestListener): Promise<Listener> {
  const last = new Map<Socket, ServerResponse | undefined>() // the newest answer of each connection: answers go out in order
  let isClosing = false
  const server = createServer({ keepAliveTimeout: keepAliveMs, noDelay: true }, (incoming, outgoing) => {
    last.set(incoming.socket, outgoing)
    if (isClosing) endAfter(incoming.socket, outgoing)
    handle(incoming, outgoing)
  })

  /** Ends the connection once this answer is out, unless another one has begun on it by then. */
  function endAfter(socket: Socket, outgoing: ServerResponse): void {
    outgoing.shouldKeepAlive = false
    outgoing.once('close', () => {
      if (last.get(socket) === outgoing) socket.end()
    })
  }

  server.on('connection', (socket) => {
    last.set(socket, undefined)
    socket.once('close', () => last.delete(socket))
  })
  server.on('connect', (_request, socket) => {
    socket.end('HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    socket.on('error', () => {})
  })
  await start(server, address)

  return {
    url: urlOf(server, address),
    async close(signal) {
      isClosing = true
      const closed = new Promise<void>((resolve) => server.once('close', () => resolve()))
      // http's own close() also ends connections whose answer is written but not yet flushed.
      NetServer.prototype.close.call(server)
      for (const [socket, outgoing] of last) {
        if (outgoing === undefined || outgoing.writableFinished) socket.end()
        else endAfter(socket, outgoing)
      }
      const cutAll = () => {
        for (const socket of last.keys()) socket.resetAndDestroy()
      }
      if (signal.aborted) cutAll()
      signal.addEventListener('abort', cutAll, { once: true })
      await closed
      signal.removeEventListener('abort', cutAll)
      server.close() // what http keeps besides: a timer
    },
  }
}

function start(server: Server, address: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const at = 'path' in address ? address.path : `${address.host}:${address.port}`
      reject(new Fault('listen-failed', { at, why: reasons[error.code ?? ''] ?? error.message }, { cause: error }))
    })
    server.listen({ ...address, backlog: 4096 }, resolve)
  })
}

const reasons: Readonly<Record<string, string>> = {
  EADDRINUSE: 'something else listens there already; choose another port in listen.port',
  EACCES: 'this user may not listen there; ports below 1024 need a privilege',
  EADDRNOTAVAIL: 'this machine has no such address',
  ENOTFOUND: 'there is no host of that name',
}

function urlOf(server: Server, address: Address): string {
  if ('path' in address) return address.path
  const { port } = server.address() as AddressInfo
  const isAny = address.host === '0.0.0.0' || address.host === '::'
  const host = isAny ? 'localhost' : address.host
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`
}
