import { createServer, type Server } from 'node:net'

// Below what the system hands out by itself, so that a port which is left for a while is still free afterwards. Tests that
// run beside each other have ports of their own and take them in turn: nobody has one that another is about to listen on.
const lowest = 12_000
const portsEach = 5_000
const atOnce = 4
const first = lowest + ((Number(process.env.VITEST_POOL_ID ?? 1) - 1) % atOnce) * portsEach
let taken = Math.floor(Math.random() * portsEach)
// Each once before any comes again, as it has no factor in common with their number; another test run takes another order.
const stride = 10 * Math.floor(Math.random() * 500) + 1

/** Listens on a port that nobody else has, and tells which. */
export async function listenOnFreePort(
  server: Pick<Server, 'listen' | 'once' | 'removeListener'>,
  address: string,
): Promise<number> {
  for (;;) {
    const port = first + ((taken++ * stride) % portsEach)
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
