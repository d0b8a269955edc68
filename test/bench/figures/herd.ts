import { firstByteOf, secondsOf } from '../load/herd.ts'
import { type Row, relativeRow } from '../report/row.ts'
import { measureCold } from './cold.ts'
import type { Bench, Figure } from './figure.ts'

/** Many clients ask at once for a blob that is not here, and the line is as fast as the machine. */
export const herd: Figure = { name: 'herd', measure: measureHerd }

/** One client asks for a blob that is not here. */
export const single: Figure = { name: 'single', measure: measureSingle }

async function measureHerd(bench: Bench): Promise<readonly Row[]> {
  const clients = bench.scale.herd
  const { forebay, nginx } = await measureCold(bench, { clients, isDirectToo: false })
  const ours = forebay.map((cold) => firstByteOf(cold.herd).median)
  const theirs = nginx.map((cold) => firstByteOf(cold.herd).median)
  const first = { what: 'first byte, median', unit: 'ms' as const, ours, peer: { who: 'nginx', values: theirs } }
  return [
    relativeRow(
      { what: `all ${clients} done`, unit: 's', ...walls({ forebay, nginx }) },
      '<= 1.00 x nginx',
      (ratio) => ratio <= 1,
    ),
    relativeRow(first, '<= 0.50 x nginx', (ratio) => ratio <= 0.5),
  ]
}

async function measureSingle(bench: Bench): Promise<readonly Row[]> {
  const results = await measureCold(bench, { clients: 1, isDirectToo: false })
  return [relativeRow({ what: 'one cold pull', unit: 's', ...walls(results) }, '<= 1.30 x nginx', (ratio) => ratio <= 1.3)]
}

function walls({ forebay, nginx }: Pick<Awaited<ReturnType<typeof measureCold>>, 'forebay' | 'nginx'>) {
  return {
    ours: forebay.map(({ herd }) => secondsOf(herd)),
    peer: { who: 'nginx', values: nginx.map(({ herd }) => secondsOf(herd)) },
  }
}
