import { firstByteOf, secondsOf } from '../load/herd.ts'
import { absoluteRow, type Row } from '../report/row.ts'
import { pairedRatio } from '../report/statistics.ts'
import { type Cold, measureCold } from './cold.ts'
import type { Bench, Figure } from './figure.ts'

/** Many clients ask at once for a blob that is not here, over a line that is slower than the machine. */
export const herdPaced: Figure = { name: 'herd-paced', measure }

async function measure(bench: Bench): Promise<readonly Row[]> {
  const { herd: clients, pacedBytesPerSecond: bytesPerSecond } = bench.scale
  const { forebay, nginx, direct } = await measureCold(bench, { clients, bytesPerSecond, isDirectToo: true })
  const beside = (value: (cold: Cold) => number) => ({
    ours: forebay.map(value),
    ...(nginx.length > 0 ? { peer: { who: 'nginx', values: nginx.map(value) } } : {}),
  })
  const direct1 = direct.map(({ herd }) => secondsOf(herd))
  const wall = beside(({ herd }) => secondsOf(herd))
  return [
    absoluteRow({ what: 'upstream bodies', unit: 'x blob', ...beside(bodies) }, '= 1.00', (value) => value.toFixed(2) === '1.00'),
    absoluteRow({ what: 'upstream blob GETs', unit: '', ...beside(({ requests }) => requests.length) }, '= 1', (n) => n === 1),
    absoluteRow(
      { what: 'first byte, median', unit: 'ms', ...beside((cold) => behind(cold).median) },
      '<= 50 ms',
      (ms) => ms <= 50,
    ),
    absoluteRow(
      { what: 'first byte, worst', unit: 'ms', ...beside((cold) => behind(cold).worst) },
      '<= 200 ms',
      (ms) => ms <= 200,
    ),
    {
      what: `all ${clients} done, beside 1 direct`,
      unit: 's',
      target: '<= 1.15 x direct',
      ours: wall.ours,
      peer: { who: 'direct', values: direct1 },
      ratio: pairedRatio(wall.ours, direct1),
      met: pairedRatio(wall.ours, direct1) <= 1.15,
    },
    ...(wall.peer
      ? [
          {
            what: `all ${clients} done`,
            unit: 's' as const,
            target: '-',
            ...wall,
            ratio: pairedRatio(wall.ours, wall.peer.values),
          },
        ]
      : []),
  ]
}

const bodies = ({ requests, size }: Cold): number => requests.reduce((sum, { sentBytes }) => sum + sentBytes, 0) / size

/** After the upstream's first byte. */
function behind({ herd, requests }: Cold): { median: number; worst: number } {
  const first = Math.min(...requests.map(({ firstByteAt }) => firstByteAt ?? Number.POSITIVE_INFINITY))
  return firstByteOf(herd, first)
}
