import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createPull } from '../load/pull.ts'
import { now } from '../now.ts'
import { absoluteRow, type Row } from '../report/row.ts'
import { startForebay, storeOf } from '../servers/forebay.ts'
import { blobPath } from '../servers/paths.ts'
import type { Server } from '../servers/server.ts'
import { putSmallBlobs, smallBlob } from '../store/put.ts'
import type { Bench, Figure } from './figure.ts'
import { settle } from './rounds.ts'

const withinMs = 60_000

/** From making the process to the last byte of a blob that it holds. */
export const start: Figure = { name: 'start', measure }

async function measure({ folder, upstream, scale, forebay, say }: Bench): Promise<readonly Row[]> {
  const digests = putSmallBlobs(join(folder, 'forebay'), scale.heldBlobs)
  await using server = await startForebay(join(folder, 'forebay'), upstream.port, forebay) // builds the records
  const times = { kept: [] as number[], lost: [] as number[] }
  for (let round = 0; round < scale.runs; round++) {
    const index = (round * 7919) % digests.length
    await server.stop()
    await settle(scale.quietWithinMs)
    times.kept.push(await startToAnswer(server, digests[index]!, smallBlob(index).length))
    say(`records kept: ${times.kept.at(-1)!.toFixed(0)} ms`)
  }
  await server.stop()
  for (const suffix of ['', '-wal', '-shm'])
    await rm(join(storeOf(join(folder, 'forebay')), `records.db${suffix}`), { force: true })
  times.lost.push(await startToAnswer(server, digests[0]!, smallBlob(0).length))
  return [
    absoluteRow({ what: `${scale.heldBlobs} blobs held`, unit: 'ms', ours: times.kept }, '< 1000 ms', (ms) => ms < 1000),
    { what: 'the same, records lost (once)', unit: 'ms', target: '-', ours: times.lost },
  ]
}

async function startToAnswer(server: Server, digest: string, size: number): Promise<number> {
  const pull = createPull()
  const startedAt = server.launch()
  while (now() - startedAt < withinMs) {
    try {
      const signal = AbortSignal.timeout(withinMs)
      const { bytes, endedAt, digest: got } = await pull({ port: server.port, path: blobPath(digest) }, { hash: true, signal })
      if (bytes !== size || got !== digest) throw new Error(`a started server served ${got} for ${digest}`)
      return endedAt - startedAt
    } catch (error) {
      if (!/ECONNREFUSED/.test(String(error))) throw error
      await sleep(5)
    }
  }
  throw new Error(`no answer within ${withinMs} ms of the start`)
}
