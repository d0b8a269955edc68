import { join } from 'node:path'
import { pullTogether, secondsOf } from '../load/herd.ts'
import { createPull } from '../load/pull.ts'
import { type Row, relativeRow } from '../report/row.ts'
import { startForebay, storedBlob } from '../servers/forebay.ts'
import { startNginxStatic } from '../servers/nginx.ts'
import { blobPath } from '../servers/paths.ts'
import type { Bench, Figure } from './figure.ts'
import { inRounds, settle } from './rounds.ts'

const clientCounts = [1, 4, 16]
const leastBytes = 4 * 1024 ** 3 // of one measurement: shorter ones say little

/** A large blob that is held, from the page cache. nginx serves the very same file. */
export const hotBlob: Figure = { name: 'hot-blob', measure }

async function measure(bench: Bench): Promise<readonly Row[]> {
  const { folder, upstream, scale, tools, say } = bench
  const pull = createPull()
  const { digest, size } = (await upstream.publish([scale.blobBytes])).layers[0]!
  const path = blobPath(digest)
  await using servers = new AsyncDisposableStack()
  const forebay = servers.use(await startForebay(join(folder, 'forebay'), upstream.port, bench.forebay))
  const check = { clients: 1, size, digest, withinMs: 120_000 }
  await pullTogether(pull, { port: forebay.port, path }, check) // brings it in
  const file = { path, file: storedBlob(join(folder, 'forebay'), digest), type: 'application/octet-stream' }
  const nginx = tools.nginx && servers.use(await startNginxStatic(join(folder, 'nginx'), [file]))
  const contestants = [forebay, ...(nginx ? [nginx] : [])]
  for (const { port } of contestants) await pullTogether(pull, { port, path }, check)

  const rows: Row[] = []
  for (const clients of clientCounts) {
    const speeds = new Map(contestants.map((contestant) => [contestant, [] as number[]]))
    await inRounds(scale.runs, contestants, async (contestant) => {
      await settle(scale.quietWithinMs)
      let seconds = 0
      let bytes = 0
      while (bytes < Math.min(leastBytes, clients * size * 4)) {
        const herd = await pullTogether(pull, { port: contestant.port, path }, { clients, size, withinMs: 120_000 })
        seconds += secondsOf(herd)
        bytes += herd.bytes
      }
      speeds.get(contestant)!.push(bytes / 1e9 / seconds)
      say(`${clients} clients, ${contestant.who}: ${(bytes / 1e9 / seconds).toFixed(2)} GB/s`)
    })
    const peer = { who: 'nginx', values: nginx ? speeds.get(nginx)! : [] }
    const facts = { what: `${clients} client${clients > 1 ? 's' : ''}`, unit: 'GB/s' as const, ours: speeds.get(forebay)!, peer }
    rows.push(relativeRow(facts, '>= 1.10 x nginx', (ratio) => ratio >= 1.1))
  }
  return rows
}
