import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { type BlobId, digestOf } from '../../../src/model/digest.ts'
import { createHoldings } from '../../../src/store/holdings.ts'
import { createRoom } from '../../../src/store/room.ts'
import { createHandClock } from '../../kit/hand-clock.ts'
import { createRandom, createZipf } from '../../kit/random.ts'
import { createRecordedLog } from '../../kit/recorded-log.ts'

const GB = 1e9
const quota = 200 * GB
const hours = 72
const asked = 2000 * GB

interface Thing {
  readonly id: BlobId
  readonly bytes: number
}

/** Blobs of 1 MB to 4 GB, most of them small, as layers are. */
function things(count: number, random: () => number): readonly Thing[] {
  return Array.from({ length: count }, (_, at) => ({
    id: digestOf('sha256', createHash('sha256').update(`blob ${at}`).digest('hex')) as BlobId,
    bytes: Math.round(1e6 * 4000 ** (random() ** 1.5)),
  }))
}

/** Least recently used first, to the byte: what a cache of that size can have at best by that rule. */
function idealHits(quota: number) {
  const held = new Map<BlobId, number>()
  let taken = 0
  return ({ id, bytes }: Thing): boolean => {
    const isHit = held.delete(id)
    if (!isHit) taken += bytes
    held.set(id, bytes)
    for (const [oldest, size] of held) {
      if (taken <= quota) break
      held.delete(oldest)
      taken -= size
    }
    return isHit
  }
}

describe('three days of use, 2 TB asked through a quota of 200 GB', () => {
  test.each([11, 12, 13])('hits come within 2 % of the best there is, the quota holds, pins stay (seed %i)', async (seed) => {
    const random = createRandom(seed)
    const blobs = things(20_000, random)
    const pick = createZipf(blobs.length, 0.9, random)
    const pinned = new Set(
      blobs
        .slice(0, 400)
        .filter((_, at) => at % 10 === 3)
        .map(({ id }) => id),
    )
    const clock = createHandClock()
    const holdings = createHoldings()
    const room = createRoom({
      holdings,
      path: '/store',
      quota,
      lowWatermark: 0.98,
      minFree: 0,
      free: async () => Number.POSITIVE_INFINITY,
      mayGo: (id) => !pinned.has(id),
      remove: async (id) => {
        holdings.remove(id)
        return true
      },
      leftovers: { bytes: 0, discard: async () => {} },
      known: async () => {},
      evicting: async () => {},
      evicted: () => {},
      log: createRecordedLog(),
    })
    const ideal = idealHits(quota)
    const seen = { bytes: 0, hits: 0, ideal: 0, most: 0, pins: new Set<BlobId>() }
    const startedAt = clock.now()

    while (seen.bytes < asked) {
      const thing = blobs[pick()]!
      const now = startedAt + (seen.bytes / asked) * hours * 3_600_000
      seen.bytes += thing.bytes
      if (ideal(thing)) seen.ideal += thing.bytes
      if (holdings.get(thing.id)) {
        seen.hits += thing.bytes
        holdings.touch(thing.id, now)
      } else {
        const reservation = await room.reserve(thing.bytes)
        reservation.release()
        holdings.put({ id: thing.id, bytes: thing.bytes, usedAt: now })
      }
      if (pinned.has(thing.id)) seen.pins.add(thing.id)
      seen.most = Math.max(seen.most, holdings.bytes + room.reserved)
    }

    expect(seen.most).toBeLessThanOrEqual(quota)
    expect(seen.hits / seen.bytes).toBeGreaterThan(seen.ideal / seen.bytes - 0.02)
    expect([...seen.pins].filter((id) => !holdings.get(id))).toEqual([])
    expect(seen.pins.size).toBeGreaterThan(10)
  })
})
