import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createPull, type Pull } from '../load/pull.ts'
import { absoluteRow, type Row, relativeRow } from '../report/row.ts'
import { startForebay } from '../servers/forebay.ts'
import type { Behaviour } from '../upstream/place.ts'
import type { Bench, Figure } from './figure.ts'
import { bodiesOf, type Pieced, pullPieced, wallOf, warmUp } from './pieced.ts'
import { inRounds } from './rounds.ts'

const bytesPerSecond = 20e6 // of each place
const wrongEvery = 10 * 1024 * 1024
const silentFrom = 0.3 // of what would be its share

/** The same blob from four places, once all good; once one falls silent and another sends wrong bytes now and then. */
export const mirrorsBad: Figure = { name: 'mirrors-bad', measure }

async function measure(bench: Bench): Promise<readonly Row[]> {
  const { scale, upstream, say } = bench
  const pull = createPull()
  const good = new Map([upstream.port, ...upstream.mirrors].map((port) => [port, { bytesPerSecond } as Behaviour]))
  const [silent, liar] = upstream.mirrors
  const bad = new Map([
    ...good,
    [silent!, { bytesPerSecond, silentAfter: Math.floor((silentFrom * scale.mirroredBytes) / good.size) }],
    [liar!, { bytesPerSecond, wrongEvery }],
  ])
  const contestants = [
    { name: 'all good', behaviours: good, got: [] as Pieced[] },
    { name: 'two bad', behaviours: bad, got: [] as Pieced[] },
  ]
  await inRounds(scale.runs, contestants, async ({ name, behaviours, got }) => {
    got.push(await pullOnce(bench, pull, behaviours))
    say(`${name}: ${wallOf(got.at(-1)!).toFixed(2)} s, ${bodiesOf(got.at(-1)!).toFixed(2)} x blob sent`)
  })
  const [all, two] = contestants.map(({ got }) => got)
  const beside = (value: (one: Pieced) => number) => ({
    ours: two!.map(value),
    peer: { who: '4 good', values: all!.map(value) },
  })
  return [
    relativeRow({ what: '1 of 4 silent at 30 %, 1 lying', unit: 's', ...beside(wallOf) }, '<= 1.50 x 4 good', (r) => r <= 1.5),
    absoluteRow({ what: 'bytes sent', unit: 'x blob', ...beside(bodiesOf) }, '<= 1.10', (sent) => sent <= 1.1),
  ]
}

/** By a server of its own: what it learns of a place would keep it from there the next time. */
async function pullOnce(bench: Bench, pull: Pull, behaviours: ReadonlyMap<number, Behaviour>): Promise<Pieced> {
  const { upstream, scale } = bench
  const folder = join(bench.folder, 'forebay')
  try {
    await using server = await startForebay(folder, upstream.port, { ...bench.forebay, mirrors: upstream.mirrors })
    await warmUp(bench, pull, server)
    return await pullPieced(bench, pull, { server, size: scale.mirroredBytes, isDescribed: true, behaviours })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
