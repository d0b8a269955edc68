import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { listenOn, listenOnFreePort } from '../ports.ts'

/** An HTTP server on loopback that can vanish and come back on its port. */
export interface Listener {
  readonly port: number
  readonly host: string // with port
  /** Ends every connection and refuses new ones. */
  refuse(): Promise<void>
  /** Listens again on the same port. */
  reopen(): Promise<void>
  /** Ends every connection; listens on. */
  dropConnections(): void
  close(): Promise<void>
}

export interface ListenOptions {
  readonly address?: string
  readonly tls?: { readonly key: Buffer; readonly cert: Buffer }
}

export async function listen(
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  { address = '127.0.0.1', tls }: ListenOptions = {},
): Promise<Listener> {
  const sockets = new Set<Socket>()
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response).catch((error: unknown) => {
      // A client that went away while it was answered is no news; anything else should not stay unseen.
      if (!response.destroyed && !response.writableEnded) console.error('fake upstream:', error)
      response.destroy()
    })
  }
  const server = tls ? createTlsServer(tls, answer) : createServer(answer)
  server.keepAliveTimeout = 60_000
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => sockets.delete(socket))
  })

  const dropConnections = () => {
    for (const socket of sockets) socket.destroy()
  }
  const shut = () =>
    new Promise<void>((resolve) => {
      if (!server.listening) return resolve()
      server.close(() => resolve())
      dropConnections()
    })

  const port = await listenOnFreePort(server, address)
  return {
    port,
    host: `${address}:${port}`,
    refuse: shut,
    async reopen() {
      if (!server.listening && !(await listenOn(server, port, address))) throw new Error(`port ${port} was taken meanwhile`)
    },
    dropConnections,
    close: shut,
  }
}
