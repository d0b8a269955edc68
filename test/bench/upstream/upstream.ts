import { join } from 'node:path'
import { freePort, startServer } from '../servers/server.ts'
import type { Entry } from './log.ts'
import type { Behaviour } from './place.ts'
import type { Order, Published } from './shelf.ts'

/** The registry that everybody in the bench pulls from: one process, bytes from memory, every request written down. */
export interface Upstream extends AsyncDisposable {
  readonly pid: number
  readonly port: number
  /** Further ports with the same bytes, each on a line of its own. */
  readonly mirrors: readonly number[]
  /** A new image; no two calls give the same bytes. */
  publish(sizes: readonly number[]): Promise<Published>
  /** From now on whoever is given the blob is told of hashes of its pieces. */
  describe(digest: string): Promise<void>
  /** What the line carries from now on, in all; no limit when undefined. */
  pace(bytesPerSecond: number | undefined): Promise<void>
  /** The same, and more, of any port. */
  behave(port: number, how: Behaviour): Promise<void>
  /** The requests since this was last asked. */
  takeLog(): Promise<readonly Entry[]>
}

const mirrorCount = 3

export async function startUpstream(folder: string): Promise<Upstream> {
  const port = await freePort()
  const mirrors: number[] = []
  while (mirrors.length < mirrorCount) mirrors.push(await freePort())
  const server = await startServer({
    who: 'upstream',
    command: process.execPath,
    args: [join(import.meta.dirname, 'process.ts'), ...[port, ...mirrors].map(String)],
    port,
    log: join(folder, 'upstream.log'),
    readyPath: '/v2/',
  })
  let tag = 0

  async function control(method: string, what: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(`http://127.0.0.1:${port}/control/${what}`, {
      method,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(120_000),
    })
    if (!answer.ok) throw new Error(`the upstream answered ${answer.status} to ${method} ${what}`)
    return answer.json()
  }

  async function behave(at: number, how: Behaviour): Promise<void> {
    await control('PUT', 'behaviour', { port: at, how })
  }

  return {
    pid: server.pid,
    port,
    mirrors,
    async publish(sizes) {
      const order: Order = { tag: `t${++tag}`, sizes }
      return (await control('PUT', 'image', order)) as Published
    },
    async describe(digest) {
      await control('PUT', 'described', { digest })
    },
    pace: (bytesPerSecond) => behave(port, { ...(bytesPerSecond && { bytesPerSecond }) }),
    behave,
    async takeLog() {
      return (await control('GET', 'log')) as readonly Entry[]
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
