import { join } from 'node:path'
import { type Herd, pullTogether } from '../load/herd.ts'
import { createPull, type Pull } from '../load/pull.ts'
import { startForebay } from '../servers/forebay.ts'
import { startNginxCache } from '../servers/nginx.ts'
import { blobPath } from '../servers/paths.ts'
import type { Server } from '../servers/server.ts'
import type { Entry } from '../upstream/log.ts'
import type { Bench } from './figure.ts'
import { inRounds, readyMemory, settle } from './rounds.ts'

/** One blob that a server did not have, pulled through it. */
export interface Cold {
  readonly herd: Herd
  readonly requests: readonly Entry[] // for the blob's bytes, at the upstream
  readonly size: number
}

export type Results = Readonly<Record<'forebay' | 'nginx' | 'direct', readonly Cold[]>>

export interface ColdPlan {
  readonly clients: number
  readonly bytesPerSecond?: number // of the upstream's line
  /** Also one client at the upstream itself, each round. */
  readonly isDirectToo: boolean
}

/** Rounds of cold pulls, each of a blob of its own, through Forebay and nginx's cache by turns. */
export async function measureCold(bench: Bench, plan: ColdPlan): Promise<Results> {
  const { folder, upstream, scale, tools, say } = bench
  const results = { forebay: [] as Cold[], nginx: [] as Cold[], direct: [] as Cold[] }
  const pull = createPull()
  await using servers = new AsyncDisposableStack()
  const forebay = servers.use(await startForebay(join(folder, 'forebay'), upstream.port, bench.forebay))
  const nginx = tools.nginx && servers.use(await startNginxCache(join(folder, 'nginx'), upstream.port))
  const contestants = [
    { name: 'forebay' as const, server: forebay as Pick<Server, 'port'> },
    ...(nginx ? [{ name: 'nginx' as const, server: nginx as Pick<Server, 'port'> }] : []),
    ...(plan.isDirectToo ? [{ name: 'direct' as const, server: upstream as Pick<Server, 'port'> }] : []),
  ]
  servers.defer(() => upstream.pace(undefined))

  await warmUp(bench, pull, contestants)
  await upstream.pace(plan.bytesPerSecond)
  await inRounds(scale.runs, contestants, async ({ name, server }, round) => {
    const cold = await pullCold(bench, pull, server.port, name === 'direct' ? 1 : plan.clients, plan.bytesPerSecond !== undefined)
    results[name].push(cold)
    say(`round ${round + 1} ${name}: ${((cold.herd.endedAt - cold.herd.startedAt) / 1000).toFixed(2)} s`)
  })
  return results
}

/** Not measured: code is compiled, connections are made, threads are started. */
async function warmUp(
  bench: Bench,
  pull: Pull,
  contestants: readonly { readonly server: Pick<Server, 'port'> }[],
): Promise<void> {
  const [layer] = (await bench.upstream.publish([16 * 1024 * 1024])).layers
  const target = { path: blobPath(layer!.digest), clients: 4, size: layer!.size, digest: layer!.digest }
  for (const { server } of contestants) {
    await pullTogether(pull, { ...target, port: server.port }, { ...target, withinMs: 60_000 })
  }
}

async function pullCold(
  { folder, upstream, scale }: Bench,
  pull: Pull,
  port: number,
  clients: number,
  isChecked: boolean,
): Promise<Cold> {
  const [layer] = (await upstream.publish([scale.blobBytes])).layers
  const { digest, size } = layer!
  await settle(scale.quietWithinMs)
  await readyMemory(join(folder, 'ready'), 2 * size)
  await upstream.takeLog()
  const options = { clients, size, withinMs: 300_000, ...(isChecked ? { digest } : {}) }
  const herd = await pullTogether(pull, { port, path: blobPath(digest) }, options)
  const log = await upstream.takeLog()
  return { herd, size, requests: log.filter(({ method, path }) => method === 'GET' && path.startsWith(blobPath(digest))) }
}
