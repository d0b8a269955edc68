import { createServer, type Server } from 'node:net'

// Below what the system hands out by itself, so that a port which is left for a while is still free afterwards.
const lowest = 12_000
const highest = 32_000

/** Listens on a port that nobody else has, and tells which. */
export async function listenOnFreePort(
  server: Pick<Server, 'listen' | 'once' | 'removeListener'>,
  address: string,
): Promise<number> {
  for (;;) {
    const port = lowest + Math.floor(Math.random() * (highest - lowest))
    if (await listenOn(server, port, address)) return port
  }
}

/** False where somebody else listens there. */
export function listenOn(
  server: Pick<Server, 'listen' | 'once' | 'removeListener'>,
  port: number,
  address: string,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error))
    server.once('error', failed)
    server.listen(port, address, () => {
      server.removeListener('error', failed)
      resolve(true)
    })
  })
}

/** Could one listen there now? */
export async function isFree(port: number, address: string): Promise<boolean> {
  const server = createServer()
  const isListening = await listenOn(server, port, address).catch(() => false)
  if (isListening) await new Promise((done) => server.close(done))
  return isListening
}

/** A loopback port that nothing listens on, nor soon will. */
export async function deadPort(): Promise<number> {
  const server = createServer()
  const port = await listenOnFreePort(server, '127.0.0.1')
  await new Promise((done) => server.close(done))
  return port
}
