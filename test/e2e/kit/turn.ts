import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { listenOn } from '../../kit/ports.ts'

// Nobody else listens on these ports of this address of loopback.
const guard = '127.80.0.99'
const turns = { images: 1, 'port 443': 443 } as const

/**
 * What only one may have or do at a time, in whatever process of this machine. A port is the lock: whoever dies, however,
 * has let it go.
 */
export async function takeTurn(what: keyof typeof turns): Promise<AsyncDisposable> {
  const server = createServer()
  while (!(await listenOn(server, turns[what], guard))) await sleep(100)
  return {
    async [Symbol.asyncDispose]() {
      await new Promise((done) => server.close(done))
    },
  }
}
