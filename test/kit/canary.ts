import { createServer } from 'node:net'
import { listenOn, listenOnFreePort } from './ports.ts'

/** A listener on loopback that nobody should come to. Whoever does is counted and gets nothing. */
export interface Canary extends AsyncDisposable {
  readonly port: number
  readonly host: string // with port
  readonly connections: number
}

export async function createCanary(address = '127.0.0.1', wanted?: number): Promise<Canary> {
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.destroy()
  })
  const port = wanted ?? (await listenOnFreePort(server, address))
  if (wanted !== undefined && !(await listenOn(server, wanted, address))) throw new Error(`port ${wanted} is taken`)
  return {
    port,
    host: `${address}:${port}`,
    get connections() {
      return connections
    },
    [Symbol.asyncDispose]: () => new Promise<void>((closed) => server.close(() => closed())),
  }
}
