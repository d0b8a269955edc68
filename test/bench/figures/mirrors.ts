import { join } from 'node:path'
import { firstByteOf } from '../load/herd.ts'
import { createPull } from '../load/pull.ts'
import { absoluteRow, type Row, relativeRow } from '../report/row.ts'
import { startForebay } from '../servers/forebay.ts'
import type { Bench, Figure } from './figure.ts'
import { bodiesOf, type Pieced, pullPieced, speedOf, warmUp } from './pieced.ts'
import { inRounds } from './rounds.ts'

const bytesPerSecond = 20e6 // of each place
const placeCounts = [1, 2, 4] // the upstream itself is one of them

/** One client asks for a blob that is not here, of which several places with slow lines have known pieces. */
export const mirrors: Figure = { name: 'mirrors', measure }

async function measure(bench: Bench): Promise<readonly Row[]> {
  const { folder, upstream, scale, say } = bench
  const pull = createPull()
  await using servers = new AsyncDisposableStack()
  const contestants = []
  for (const count of placeCounts) {
    const ports = upstream.mirrors.slice(0, count - 1)
    const server = servers.use(
      await startForebay(join(folder, `of-${count}`), upstream.port, { ...bench.forebay, mirrors: ports }),
    )
    await warmUp(bench, pull, server)
    contestants.push({ count, server, ports: [upstream.port, ...ports], got: [] as Pieced[] })
  }
  await inRounds(scale.runs, contestants, async ({ count, server, ports, got }) => {
    const behaviours = new Map(ports.map((port) => [port, { bytesPerSecond }]))
    got.push(await pullPieced(bench, pull, { server, size: scale.mirroredBytes, isDescribed: true, behaviours }))
    say(`${count} of ${bytesPerSecond / 1e6} MB/s each: ${speedOf(got.at(-1)!).toFixed(1)} MB/s`)
  })
  const [alone, ...several] = contestants.map(({ count, got }) => ({ count, got }))
  return [alone!, ...several].flatMap(({ count, got }) => rowsOf(count, got, count === 1 ? undefined : alone!.got))
}

function rowsOf(count: number, got: readonly Pieced[], alone: readonly Pieced[] | undefined): readonly Row[] {
  const what = `${count} place${count > 1 ? 's' : ''} of 20 MB/s`
  const least = (0.9 * count * bytesPerSecond) / 1e6
  const beside = (value: (one: Pieced) => number) => ({
    ours: got.map(value),
    ...(alone && { peer: { who: '1 place', values: alone.map(value) } }),
  })
  const first = relativeRow(
    { what: `${what}: first byte`, unit: 'ms', ...beside(({ herd }) => firstByteOf(herd).worst) },
    '<= 1.10 x 1 place',
    (ratio) => ratio <= 1.1,
  )
  return [
    absoluteRow({ what, unit: 'MB/s', ...beside(speedOf) }, `>= ${least} MB/s`, (speed) => speed >= least),
    ...(alone ? [first] : []),
    { what: `${what}: bytes sent`, unit: 'x blob', target: '-', ours: got.map(bodiesOf) },
  ]
}
