import { join } from 'node:path'
import { type Herd, pullTogether, secondsOf } from '../load/herd.ts'
import type { Pull } from '../load/pull.ts'
import { cpuSeconds } from '../report/processes.ts'
import { blobPath } from '../servers/paths.ts'
import type { Server } from '../servers/server.ts'
import type { Entry } from '../upstream/log.ts'
import type { Behaviour } from '../upstream/place.ts'
import type { Bench } from './figure.ts'
import { readyMemory, settle } from './rounds.ts'

/** One blob that a server did not have, pulled by one client who checks the digest. */
export interface Pieced {
  readonly herd: Herd
  readonly size: number // bytes
  readonly requests: readonly Entry[] // for the blob's bytes, at any place
  readonly cpu: number // seconds of the server's processes, until the client had all
}

export interface PiecedPlan {
  readonly server: Pick<Server, 'port' | 'pid'>
  readonly size: number // bytes
  /** The places tell of hashes of its pieces. */
  readonly isDescribed: boolean
  /** By port; the others send as fast as they can. */
  readonly behaviours?: ReadonlyMap<number, Behaviour>
}

/** Pulls a new blob while the upstream and its mirrors behave as planned, and as usual again after it. */
export async function pullPieced(
  bench: Bench,
  pull: Pull,
  { server, size, isDescribed, behaviours }: PiecedPlan,
): Promise<Pieced> {
  const { folder, upstream, scale } = bench
  const { digest } = (await upstream.publish([size])).layers[0]!
  if (isDescribed) await upstream.describe(digest)
  await settle(scale.quietWithinMs)
  await readyMemory(join(folder, 'ready'), 2 * size)
  await upstream.takeLog()
  for (const [port, how] of behaviours ?? []) await upstream.behave(port, how)
  try {
    const before = await cpuSeconds(server.pid)
    const options = { clients: 1, size, digest, withinMs: 300_000 }
    const herd = await pullTogether(pull, { port: server.port, path: blobPath(digest) }, options)
    const cpu = (await cpuSeconds(server.pid)) - before
    const log = await upstream.takeLog()
    return { herd, size, cpu, requests: log.filter(({ method, path }) => method === 'GET' && path === blobPath(digest)) }
  } finally {
    for (const port of behaviours?.keys() ?? []) await upstream.behave(port, {})
  }
}

/** Not measured: code is compiled, threads are started, each place has a connection. */
export async function warmUp(bench: Bench, pull: Pull, server: PiecedPlan['server']): Promise<void> {
  for (const isDescribed of [true, false]) await pullPieced(bench, pull, { server, size: 32 * 1024 * 1024, isDescribed })
}

export const wallOf = ({ herd }: Pieced): number => secondsOf(herd)
export const speedOf = (one: Pieced): number => one.size / 1e6 / wallOf(one) // MB/s
/** What the places have sent, in blobs. */
export const bodiesOf = ({ requests, size }: Pieced): number => requests.reduce((sum, { sentBytes }) => sum + sentBytes, 0) / size
