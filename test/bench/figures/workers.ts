import { cpus } from 'node:os'
import { join } from 'node:path'
import { documentAt } from '../load/document.ts'
import { pullTogether } from '../load/herd.ts'
import { createPull } from '../load/pull.ts'
import { requestsPerSecond } from '../load/requests.ts'
import { absoluteRow, type Row, relativeRow } from '../report/row.ts'
import { cpuTime } from '../servers/cpu-time.ts'
import { startForebay } from '../servers/forebay.ts'
import { blobPath, manifestPath } from '../servers/paths.ts'
import type { Server } from '../servers/server.ts'
import type { Bench, Figure } from './figure.ts'
import { inRounds, settle } from './rounds.ts'

const connections = 32
const count = 2

/** Two workers beside one process that does it all: hits from memory, and a herd on a cold blob. The client keeps to one processor. */
export const workers: Figure = { name: 'workers', measure }

async function measure(bench: Bench): Promise<readonly Row[]> {
  const { folder, upstream } = bench
  await using servers = new AsyncDisposableStack()
  const one = servers.use(await startForebay(join(folder, 'one'), upstream.port, bench.forebay))
  const many = servers.use(await startForebay(join(folder, 'many'), upstream.port, { ...bench.forebay, workers: count }))
  return [...(await hits(bench, one, many)), ...(await herds(bench, many))]
}

async function hits({ upstream, scale, tools, say }: Bench, one: Server, many: Server): Promise<readonly Row[]> {
  const { digest, mediaType } = await upstream.publish(Array.from({ length: 8 }, () => 4096))
  const path = manifestPath(digest)
  const load = { connections, accept: mediaType, tools, path, processor: cpus().length - 1 }
  const contestants = [one, many]
  for (const { port } of contestants) {
    await documentAt(`http://127.0.0.1:${port}${path}`, mediaType)
    await requestsPerSecond({ ...load, port, seconds: 1 })
  }
  const speeds = new Map(contestants.map((contestant) => [contestant, [] as number[]]))
  const costs = new Map(contestants.map((contestant) => [contestant, [] as number[]]))
  await inRounds(scale.runs, contestants, async (contestant) => {
    await settle(scale.quietWithinMs)
    const before = await cpuTime(contestant.pid)
    const speed = await requestsPerSecond({ ...load, port: contestant.port, seconds: scale.requestSeconds })
    const cost = ((await cpuTime(contestant.pid)) - before) / (speed * scale.requestSeconds)
    speeds.get(contestant)!.push(speed)
    costs.get(contestant)!.push(cost * 1e6)
    say(
      `${contestant === many ? `${count} workers` : '1 process'}: ${speed.toFixed(0)}/s, ${(cost * 1e6).toFixed(1)} µs of processor each`,
    )
  })
  const who = '1 process'
  const what = `manifest, ${count} workers, ${connections} connections`
  return [
    relativeRow(
      { what, unit: '/s', ours: speeds.get(many)!, peer: { who, values: speeds.get(one)! } },
      '>= 1.00 x 1 process',
      (ratio) => ratio >= 1,
    ),
    relativeRow(
      { what: 'processor time a request', unit: 'µs', ours: costs.get(many)!, peer: { who, values: costs.get(one)! } },
      '<= 1.10 x 1 process',
      (ratio) => ratio <= 1.1,
    ),
  ]
}

async function herds({ upstream, scale }: Bench, { port }: Server): Promise<readonly Row[]> {
  const bodies: number[] = []
  for (let round = 0; round < scale.runs; round++) {
    const { digest, size } = (await upstream.publish([scale.mirroredBytes])).layers[0]!
    await settle(scale.quietWithinMs)
    await upstream.takeLog()
    await pullTogether(createPull(), { port, path: blobPath(digest) }, { clients: scale.herd, size, digest, withinMs: 300_000 })
    const sent = (await upstream.takeLog()).filter(({ path }) => path.includes(digest)).map(({ sentBytes }) => sentBytes)
    bodies.push(sent.reduce((sum, bytes) => sum + bytes, 0) / size)
  }
  return [
    absoluteRow(
      { what: `cold herd of ${scale.herd}: upstream bodies`, unit: 'x blob', ours: bodies },
      '= 1.00',
      (value) => value.toFixed(2) === '1.00',
    ),
  ]
}
