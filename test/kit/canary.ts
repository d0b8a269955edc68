import { createServer } from 'node:net'
import { listenOnFreePort } from './ports.ts'

/** A listener on loopback that nobody should come to. Whoever does is counted and gets nothing. */
export interface Canary extends AsyncDisposable {
  readonly port: number
  readonly host: string // with port
  readonly connections: number
}

export async function createCanary(address = '127.0.0.1'): Promise<Canary> {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.destroy()
  })
  const port = await listenOnFreePort(server, address)
  return {
    port,
    host: `${address}:${port}`,
    get connections() {
      return connections
    },
    [Symbol.asyncDispose]: () => new Promise<void>((closed) => server.close(() => closed())),
  }
}
