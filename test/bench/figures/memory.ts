import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { startSlowHerd } from '../load/slow.ts'
import { now } from '../now.ts'
import { residentMiB } from '../report/processes.ts'
import { absoluteRow, type Row } from '../report/row.ts'
import { slope } from '../report/statistics.ts'
import { startForebay } from '../servers/forebay.ts'
import { blobPath } from '../servers/paths.ts'
import { putSparseBlob } from '../store/sparse.ts'
import type { Bench, Figure } from './figure.ts'

const bytesPerSecond = 1e6 // of each reader
const sampleMs = 250
const mostMiB = 250
const flat = 5 // MiB a minute

/** What many slow readers of one huge blob cost. Once, however many rounds: it is watched instead. */
export const memory: Figure = { name: 'memory', measure }

async function measure({ folder, upstream, scale, forebay: options, say }: Bench): Promise<readonly Row[]> {
  const { readers, readBytes, watchSeconds } = scale
  const digest = await putSparseBlob(join(folder, 'forebay'), readBytes)
  await using server = await startForebay(join(folder, 'forebay'), upstream.port, options)
  await using herd = startSlowHerd({ port: server.port, path: blobPath(digest) }, readers, bytesPerSecond)
  const startedAt = now()
  const samples: { x: number; y: number }[] = [] // minutes, MiB
  for (let elapsed = 0; elapsed < watchSeconds; elapsed = (now() - startedAt) / 1000) {
    if (herd.trouble) throw herd.trouble
    samples.push({ x: elapsed / 60, y: await residentMiB(server.pid) })
    if (samples.length % 40 === 0) say(`${elapsed.toFixed(0)} s: ${samples.at(-1)!.y.toFixed(0)} MiB`)
    await sleep(sampleMs)
  }
  const rates = herd.received.map((bytes) => bytes / 1e6 / watchSeconds)
  const settled = samples.filter(({ x }) => x >= watchSeconds / 60 / 3)
  const what = `${readers} readers, ${(readBytes / 2 ** 30).toFixed(0)} GiB, ${watchSeconds} s`
  return [
    absoluteRow(
      { what: `most resident (${what}, once)`, unit: 'MiB', ours: [Math.max(...samples.map(({ y }) => y))] },
      '<= 250 MiB',
      (value) => value <= mostMiB,
    ),
    growthRow(slope(settled), watchSeconds),
    absoluteRow({ what: 'slowest reader', unit: 'MB/s', ours: [Math.min(...rates)] }, '>= 0.95 MB/s', (value) => value >= 0.95),
  ]
}

/** Less than a minute says nothing about growth: collections come in waves. */
function growthRow(growth: number, watchSeconds: number): Row {
  const facts = { what: 'growth after the first third', unit: 'MiB/min' as const, ours: [growth] }
  if (watchSeconds < 60) return { ...facts, target: '(watch >= 60 s)' }
  return absoluteRow(facts, 'flat: <= 5 MiB/min', (value) => value <= flat)
}
