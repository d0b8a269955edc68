import { join } from 'node:path'
import { createPull } from '../load/pull.ts'
import { plainRow, type Row, relativeRow } from '../report/row.ts'
import { startForebay } from '../servers/forebay.ts'
import type { Bench, Figure } from './figure.ts'
import { type Pieced, pullPieced, wallOf, warmUp } from './pieced.ts'
import { inRounds } from './rounds.ts'

const bytesPerSecond = 100e6

/**
 * What it costs one fill from one place to check each piece before it is shown. The hashing of pieces for our own metalinks
 * is in neither: it begins when the client has everything.
 */
export const pieceCost: Figure = { name: 'piece-cost', measure }

async function measure(bench: Bench): Promise<readonly Row[]> {
  const { folder, upstream, scale, say } = bench
  const pull = createPull()
  await using server = await startForebay(join(folder, 'forebay'), upstream.port, bench.forebay)
  await warmUp(bench, pull, server)
  const rows: Row[] = []
  for (const pace of [bytesPerSecond, undefined]) {
    const line = pace === undefined ? 'no limit' : `${pace / 1e6} MB/s`
    const contestants = [true, false].map((isDescribed) => ({ isDescribed, got: [] as Pieced[] }))
    const behaviours = new Map(pace === undefined ? [] : [[upstream.port, { bytesPerSecond: pace }]])
    await inRounds(scale.runs, contestants, async ({ isDescribed, got }) => {
      const one = await pullPieced(bench, pull, { server, size: scale.mirroredBytes, isDescribed, behaviours })
      got.push(one)
      say(`${line}, ${isDescribed ? 'with' : 'without'} pieces: ${wallOf(one).toFixed(2)} s, processor ${one.cpu.toFixed(2)} s`)
    })
    const [known, unknown] = contestants.map(({ got }) => got)
    const beside = (value: (one: Pieced) => number) => ({
      ours: known!.map(value),
      peer: { who: 'no pieces', values: unknown!.map(value) },
    })
    const wall = { what: `${line}, pieces known`, unit: 's' as const, ...beside(wallOf) }
    const cpu = { what: `${line}: processor time`, unit: 's' as const, ...beside(({ cpu }) => cpu) }
    rows.push(pace === undefined ? plainRow(wall) : relativeRow(wall, '<= 1.10 x no pieces', (ratio) => ratio <= 1.1))
    rows.push(plainRow(cpu))
  }
  return rows
}
