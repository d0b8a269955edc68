import { createServer, type Socket } from 'node:net'
import { listenOn } from '../../kit/ports.ts'

/** Where a registry of this name would be, if anybody went there: it has nothing, and everybody is counted. */
export interface WatchedHost extends AsyncDisposable {
  readonly callers: number
}

/** Ports 80 and 443 of an address of loopback; undefined where somebody else listens there. */
export async function watchHost(address: string): Promise<WatchedHost | undefined> {
  let callers = 0
  const servers = [80, 443].map((port) => ({
    port,
    server: createServer((socket: Socket) => {
      callers += 1
      socket.on('error', () => {}).resume()
      socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
    }),
  }))
  const close = async () => {
    for (const { server } of servers) if (server.listening) await new Promise((done) => server.close(done))
  }
  for (const { port, server } of servers) {
    if (await listenOn(server, port, address)) continue
    await close()
    return undefined
  }
  return {
    get callers() {
      return callers
    },
    [Symbol.asyncDispose]: close,
  }
}
