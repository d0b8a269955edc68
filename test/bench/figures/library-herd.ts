import { join } from 'node:path'
import { pullTogether } from '../load/herd.ts'
import { createPull, type Pull } from '../load/pull.ts'
import { absoluteRow, plainRow, type Row } from '../report/row.ts'
import { median } from '../report/statistics.ts'
import { startForebay } from '../servers/forebay.ts'
import { libraryFilePath, libraryImagePath } from '../servers/paths.ts'
import type { Bench, Figure } from './figure.ts'
import { readyMemory, settle } from './rounds.ts'

const clients = 50
const mostMs = 200

/** Many clients of a library at once, who ask for an image and then its file, which is not here yet; the upstream is slow. */
export const libraryHerd: Figure = { name: 'library-herd', measure }

/** One round. */
interface Ends {
  readonly bodies: number // that the upstream sent, in images
  readonly requests: number // for the file, at the upstream
  readonly behind: readonly number[] // ms from the upstream's last byte to each client's
}

async function measure(bench: Bench): Promise<readonly Row[]> {
  const { folder, upstream, scale, say } = bench
  await using server = await startForebay(join(folder, 'forebay'), upstream.port, { ...bench.forebay, isLibrary: true })
  const pull = createPull()
  await pullCold(bench, pull, server.port, 16 * 1024 * 1024) // not measured: code is compiled
  const rounds: Ends[] = []
  await upstream.pace(scale.pacedBytesPerSecond)
  try {
    for (let round = 0; round < scale.runs; round++) {
      const ends = await pullCold(bench, pull, server.port, scale.librarySifBytes)
      rounds.push(ends)
      say(`round ${round + 1}: the last of ${clients} ended ${Math.max(...ends.behind).toFixed(0)} ms after the upstream`)
    }
  } finally {
    await upstream.pace(undefined)
  }
  const values = (value: (ends: Ends) => number) => rounds.map(value)
  const what = `${clients} clients, ${(scale.librarySifBytes / 2 ** 20).toFixed(0)} MiB`
  return [
    absoluteRow(
      { what: `${what}: upstream bodies`, unit: 'x blob', ours: values(({ bodies }) => bodies) },
      '= 1.00',
      (value) => value.toFixed(2) === '1.00',
    ),
    absoluteRow({ what: 'upstream file GETs', unit: '', ours: values(({ requests }) => requests) }, '= 1', (n) => n === 1),
    absoluteRow(
      { what: 'last end, behind the upstream', unit: 'ms', ours: values(({ behind }) => Math.max(...behind)) },
      `<= ${mostMs} ms`,
      (ms) => ms <= mostMs,
    ),
    plainRow({ what: 'median end, behind the upstream', unit: 'ms', ours: values(({ behind }) => median(behind)) }),
  ]
}

async function pullCold({ folder, upstream, scale }: Bench, pull: Pull, port: number, size: number): Promise<Ends> {
  const { tag, layers } = await upstream.publish([size])
  const { digest } = layers[0]!
  await settle(scale.quietWithinMs)
  await readyMemory(join(folder, 'ready'), 2 * size)
  await upstream.takeLog()
  const signal = AbortSignal.timeout(60_000)
  // Each asks for the file once it has been told of the image, whoever else is still waiting for that.
  const one = async (isChecked: boolean) => {
    await pull({ port, path: libraryImagePath(tag) }, { signal })
    const options = { clients: 1, size, withinMs: 60_000, ...(isChecked && { digest }) }
    return pullTogether(pull, { port, path: libraryFilePath(tag) }, options)
  }
  const herds = await Promise.all(Array.from({ length: clients }, (_, index) => one(index === 0)))
  const files = (await upstream.takeLog()).filter(({ path }) => path.includes('/imagefile/'))
  const lastByteAt = Math.max(...files.map(({ lastByteAt = Number.NaN }) => lastByteAt))
  return {
    bodies: files.reduce((sum, { sentBytes }) => sum + sentBytes, 0) / size,
    requests: files.length,
    behind: herds.map(({ endedAt }) => endedAt - lastByteAt),
  }
}
