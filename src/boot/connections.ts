import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Http2Session } from 'node:http2'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { WebServer } from './web-server.ts'

/** The open connections of one server, of whatever protocol, so that they can be ended one way or the other. */
export interface Connections {
  /** A request has come: its answer is the newest of its connection. */
  began(incoming: IncomingMessage, outgoing: ServerResponse): void
  /** Ends those that are idle now, and the others after their answers. */
  hangUp(): void
  /** Resets all of them. */
  cut(): void
  /** Settles when there is none. */
  over(): Promise<void>
  /** Its client reads nothing of what it asked for: the connection is cut. True where that was so. */
  cutIdle(of: Socket | Http2Session): boolean
}

export interface ConnectionsDeps {
  /** False: it is closed at once. */
  readonly admit: (socket: Socket) => boolean
  /** Whoever shows a certificate that nobody vouches for is no better than a stranger, and says otherwise. */
  readonly isImpostor: (socket: TLSSocket) => boolean
}

export function watchConnections(server: WebServer, { admit, isImpostor }: ConnectionsDeps): Connections {
  const isTls = 'setSecureContext' in server
  const sockets = new Set<Socket>() // all of them; those below TLS where there is TLS
  const handshakes = new Map<string, Socket>() // by their ends, until TLS begins above them
  const last = new Map<Socket, ServerResponse | undefined>() // of HTTP/1.1: answers go out in order, this is the newest
  const ahead = new Map<Socket, Set<ServerResponse>>() // those under way before it, where a client did not wait for them
  const sessions = new Map<Http2Session, Set<ServerResponse>>() // of HTTP/2, with the answers under way
  const waiting: (() => void)[] = []
  let isClosing = false

  server.on('connection', (socket: Socket) => {
    if (!admit(socket)) return void socket.destroy()
    sockets.add(socket)
    socket.once('close', () => {
      sockets.delete(socket)
      if (sockets.size === 0) for (const go of waiting.splice(0)) go()
    })
    if (isTls) awaitTls(socket)
    else keep(socket)
  })
  server.on('secureConnection', (socket: TLSSocket) => {
    if (isImpostor(socket)) return void socket.destroy()
    lendReset(socket, handshakes.get(endsOf(socket)))
    handshakes.delete(endsOf(socket))
    if (socket.alpnProtocol !== 'h2') keep(socket)
  })
  server.on('session', (session: Http2Session) => {
    sessions.set(session, new Set())
    session.once('close', () => sessions.delete(session))
    if (isClosing) session.close()
  })

  function awaitTls(socket: Socket): void {
    const ends = endsOf(socket)
    handshakes.set(ends, socket)
    socket.once('close', () => {
      if (handshakes.get(ends) === socket) handshakes.delete(ends)
    })
    if (isClosing) socket.destroy()
  }

  function keep(socket: Socket): void {
    last.set(socket, undefined)
    socket.once('close', () => leave(socket))
    if (isClosing) socket.end()
  }

  /** A connection that ends with a CONNECT is none of http's any more, which forgets the answers that waited on it. */
  function leave(socket: Socket): void {
    const left = [...(ahead.get(socket) ?? []), last.get(socket)]
    ahead.delete(socket)
    last.delete(socket)
    for (const outgoing of left) if (outgoing?.destroyed === false) outgoing.destroy()
  }

  function goesAhead(socket: Socket, outgoing: ServerResponse): void {
    const others = ahead.get(socket) ?? new Set()
    ahead.set(socket, others.add(outgoing))
    outgoing.once('close', () => others.delete(outgoing))
  }

  /** Ends the connection once this answer is out, unless another one has begun on it by then. */
  function endAfter(socket: Socket, outgoing: ServerResponse): void {
    outgoing.shouldKeepAlive = false
    outgoing.once('close', () => {
      if (last.get(socket) === outgoing) socket.end()
    })
  }

  function beganStream(session: Http2Session | undefined, outgoing: ServerResponse): void {
    const answers = session && sessions.get(session)
    answers?.add(outgoing)
    outgoing.once('close', () => answers?.delete(outgoing))
  }

  function cutIdleSession(session: Http2Session): boolean {
    const answers = [...(sessions.get(session) ?? [])]
    if (answers.length === 0) session.close()
    const stuck = answers.filter(({ writableLength }) => writableLength > 0)
    for (const outgoing of stuck) outgoing.destroy()
    return stuck.length > 0
  }

  return {
    began(incoming, outgoing) {
      if ('stream' in outgoing) return beganStream((outgoing.stream as { session?: Http2Session }).session, outgoing)
      const before = last.get(incoming.socket)
      if (before?.writableFinished === false) goesAhead(incoming.socket, before)
      last.set(incoming.socket, outgoing)
      if (isClosing) endAfter(incoming.socket, outgoing)
    },
    hangUp() {
      isClosing = true
      for (const [socket, outgoing] of last) {
        if (outgoing === undefined || outgoing.writableFinished) socket.end()
        else endAfter(socket, outgoing)
      }
      for (const session of sessions.keys()) session.close()
      for (const socket of handshakes.values()) socket.destroy()
    },
    cut() {
      for (const socket of sockets) socket.resetAndDestroy()
    },
    over: () => (sockets.size === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve))),
    cutIdle(of) {
      if (!('writableLength' in of)) return cutIdleSession(of)
      const outgoing = last.get(of)
      if (outgoing === undefined || outgoing.writableFinished) {
        of.destroy() // it has kept the connection open for long enough
        return false
      }
      if (of.writableLength === 0) return false // it is the client who waits
      of.destroy()
      return true
    },
  }
}

/** TLS has no reset of its own, and an end of TLS could be taken for that of an answer. */
function lendReset(socket: TLSSocket, below: Socket | undefined): void {
  socket.resetAndDestroy = () => {
    below?.resetAndDestroy()
    return socket.destroy()
  }
}

function endsOf({ remoteAddress, remotePort, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localPort}`
}
