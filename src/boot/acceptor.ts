import { createServer, type Socket } from 'node:net'
import { type Address, start, urlOf } from './listener.ts'

/** A port whose connections are served by other processes. */
export interface Acceptor {
  readonly url: string
  /** Takes no more. */
  close(): Promise<void>
}

/** Nothing is read of what `take` is given. @throws Fault 'listen-failed' */
export async function accept(address: Address, isTls: boolean, take: (socket: Socket) => void): Promise<Acceptor> {
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    socket.on('error', () => {}) // whoever serves it hears of that
    take(socket)
  })
  await start(server, address)
  return {
    url: urlOf(server, address, isTls ? 'https' : 'http'),
    async close() {
      server.close() // not waited for: what was handed on is no longer its own
    },
  }
}
