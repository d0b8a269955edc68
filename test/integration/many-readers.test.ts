import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { askHashed } from '../kit/ask.ts'
import { blob, digestOfBytes, KiB, MiB } from '../kit/blobs.ts'
import { untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createWorld } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(16 * MiB, 'many readers')
const size = layer.bytes.length

/** Spread over the blob, of many lengths, the last ones to its very end; the same at every run. */
function rangeOf(at: number): { start: number; end: number } {
  const start = (at * 7_919_777) % size
  const length = 1 + ((at * 104_729) % (512 * KiB))
  return { start, end: at % 10 === 0 ? size : Math.min(size, start + length) }
}

test('two hundred readers join within 0.3 s of a source that dies twice, and every one gets the right bytes', async () => {
  await using world = await createWorld()
  const { upstream, house } = world
  upstream.pushBlob('lab/tool', layer)
  const pace = { bytesPerSecond: 24 * MiB }
  const gets = { path: '/blobs/', method: 'GET' } as const
  upstream.fault(gets, pace)
  upstream.fault({ ...gets, nth: 1 }, { ...pace, cutAfter: 5 * MiB })
  upstream.fault({ ...gets, nth: 2 }, { ...pace, cutAfter: 4 * MiB })
  const url = world.blob('lab/tool', layer.digest)

  const readers = Array.from({ length: 200 }, async (_, at) => {
    await sleep((at * 300) / 200)
    if (at % 4 === 0) return { ...(await askHashed(url)), wantedStatus: 200, wanted: layer.digest as string }
    const { start, end } = rangeOf(at)
    const reply = await askHashed(url, { headers: { range: `bytes=${start}-${end - 1}` } })
    return { ...reply, wantedStatus: 206, wanted: digestOfBytes(layer.bytes.subarray(start, end)) as string }
  })
  const replies = await Promise.all(readers)

  expect(replies.filter(({ status, wantedStatus }) => status !== wantedStatus)).toEqual([])
  expect(replies.filter(({ end }) => end !== 'clean')).toEqual([])
  expect(replies.filter(({ sha256, wanted }) => sha256 !== wanted)).toEqual([])
  await untilHeld(house.storePath, layer.digest)
  expect(await wrongBlobsOn(house.storePath)).toEqual([])
  // Ranges far ahead have requests of their own; what the front had on its way when it met their bytes is lost.
  expect(upstream.bytesSent(layer.digest)).toBeLessThan(1.25 * size)
})
