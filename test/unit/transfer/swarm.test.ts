import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Artifact } from '../../../src/model/artifact.ts'
import type { Digest } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { PieceHashes } from '../../../src/model/pieces.ts'
import type { Reference } from '../../../src/model/reference.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { type FillDeps, startFill } from '../../../src/transfer/fill.ts'
import { createQueue } from '../../../src/transfer/queue.ts'
import { collect, digestOfBytes, inPieces, memoryHouse, scriptedSources, silent } from './memory-house.ts'

const MiB = 1024 * 1024
const size = 24 * MiB + 12_345
const bytes = randomBytes(size)
const digest = digestOfBytes(bytes)
const links = { duplicates: [], describedBy: [{ url: 'http://a/blob.meta4', mediaType: 'application/metalink4+xml' }] }

function hashesOf(length = MiB): PieceHashes {
  const hashes: Buffer[] = []
  for (let at = 0; at < size; at += length)
    hashes.push(
      createHash('sha256')
        .update(bytes.subarray(at, at + length))
        .digest(),
    )
  return { length, hashes: new Uint8Array(Buffer.concat(hashes)) }
}

type Behaviours = Parameters<typeof scriptedSources>[1]

/** A fill whose first source tells of the pieces, and of the other sources. */
function setUp(behaviours: Behaviours, pieces: PieceHashes | undefined = hashesOf(), slept: (ms: number) => void = () => {}) {
  const house = memoryHouse(size)
  const upstream = scriptedSources(bytes, behaviours, { links })
  const queue = createQueue(10, 10)
  const deps: FillDeps = {
    ...house,
    read: upstream.read,
    discover: async () => ({ pieces, sources: upstream.sources.slice(1) }),
    clock: {
      ...systemClock,
      sleep(ms, signal) {
        slept(ms)
        return systemClock.sleep(Math.min(ms, 250), signal)
      },
    },
    log: silent,
    lingerMs: 60_000,
    received: () => {},
    wrong: () => {},
    enter: (signal) => queue.enter('lab', signal),
    ending: () => {},
  }
  const reference = { kind: 'blob', upstream: 'lab', repository: 'tool', digest } as Reference
  const artifact: Artifact = {
    reference,
    mediaType: 'application/octet-stream',
    digests: [digest as Digest],
    size,
    checkedAt: 0,
    freshUntil: Number.POSITIVE_INFINITY,
  }
  return { house, start: () => startFill(deps, digest, artifact, upstream.sources.slice(0, 1)), ...upstream }
}

const good: Behaviours[string] = (part) => inPieces(part)
const sentBy = (asked: readonly { host: string; sent: number }[], host: string) =>
  asked.filter((one) => one.host === host).reduce((sum, one) => sum + one.sent, 0)
const fetched = (asked: readonly { sent: number }[]) => asked.reduce((sum, one) => sum + one.sent, 0)

/** One byte wrong in each stretch of `every` bytes. */
function lying(every: number): Behaviours[string] {
  return (part, { start }) => {
    const wrong = Uint8Array.from(part)
    for (let at = Math.ceil(start / every) * every; at < start + part.length; at += every) wrong[at - start]! ^= 1
    return inPieces(wrong)
  }
}

describe('a fill that knows hashes of its pieces', () => {
  test('uses all the places it is told of, and fetches each byte once', async () => {
    const { start, asked, house } = setUp({ a: good, b: good, c: good, d: good })
    const fill = start()
    const readers = [collect(fill.follow()), collect(fill.follow(), 20 * MiB), collect(fill.follow(), 5 * MiB, 6 * MiB)]
    const [whole, tail, part] = await Promise.all(readers)
    expect(whole!.equals(bytes)).toBe(true)
    expect(tail!.equals(bytes.subarray(20 * MiB))).toBe(true)
    expect(part!.equals(bytes.subarray(5 * MiB, 6 * MiB))).toBe(true)
    const { blob } = await fill.stored
    expect(Buffer.from(house.blobs.get(blob.id)!).equals(bytes)).toBe(true)
    for (const host of ['a', 'b', 'c', 'd']) expect(sentBy(asked, host), host).toBeGreaterThan(0)
    expect(fetched(asked)).toBeLessThan(1.1 * size)
  })

  test('shows nobody a wrong byte, and fetches only wrong pieces again', async () => {
    const { start, asked } = setUp({ a: good, b: lying(10 * MiB), c: good })
    const fill = start()
    const crowd = Array.from({ length: 30 }, (_, at) => collect(fill.follow(), at * 700_000))
    for (const [at, got] of (await Promise.all(crowd)).entries()) expect(got.equals(bytes.subarray(at * 700_000))).toBe(true)
    await fill.stored
    expect(fetched(asked)).toBeLessThan(1.3 * size)
  })

  test('leaves a place that sends nothing but wrong bytes', async () => {
    const { start, asked } = setUp({ a: good, b: lying(1000) })
    const fill = start()
    expect((await collect(fill.follow())).equals(bytes)).toBe(true)
    await fill.stored
    expect(asked.filter(({ host }) => host === 'b').length).toBeLessThan(6)
  })

  test('goes on without places that fail', async () => {
    const refused = new Fault('upstream-unreachable', { url: 'http://b/blob', why: 'refused' })
    const cut = new Fault('source-cut', { url: 'http://c/blob', received: 1 })
    const { start } = setUp({ a: good, b: () => refused, c: (part) => inPieces(part, { until: 300_000, fault: cut }) })
    const fill = start()
    expect((await collect(fill.follow())).equals(bytes)).toBe(true)
    await fill.stored
  })

  test('does not wait for one that stalls', async () => {
    const { promise: never } = Promise.withResolvers<void>()
    const { start } = setUp({ a: good, b: (part) => inPieces(part, { gate: never, gateAt: 128 * 1024 }), c: good })
    const fill = start()
    expect((await collect(fill.follow())).equals(bytes)).toBe(true)
    await fill.stored
  })

  test('takes the hashes to be wrong when every place disagrees with one, and lets the digest decide', async () => {
    const pieces = hashesOf()
    pieces.hashes[5 * 32]! ^= 1
    const { start } = setUp({ a: good, b: good }, pieces)
    const fill = start()
    expect((await collect(fill.follow())).equals(bytes)).toBe(true)
    await fill.stored
  })

  test('has a single source of parts besides one that gives the whole only', async () => {
    const { start } = setUp({ a: good })
    const fill = start()
    expect((await collect(fill.follow())).equals(bytes)).toBe(true)
    await fill.stored
  })

  test('does not wait for ever when the only place left is one that sent a piece wrong', async () => {
    const refused = new Fault('upstream-refused', { url: 'http://b/blob', status: 403 })
    const gone = Promise.withResolvers<void>()
    const { start } = setUp({
      a: (part, { start }) => inPieces(part.map((byte, at) => (start + at === 20 * MiB ? byte ^ 1 : byte))),
      b: (part, _asked, count) =>
        count > 0 ? refused : inPieces(part, { until: 64 * 1024, gate: gone.promise, fault: refused }),
    })
    const fill = start()
    setTimeout(gone.resolve, 400)
    await expect(fill.stored).rejects.toMatchObject({ code: expect.stringMatching(/corrupt|all-sources-failed/) })
  })

  test('gives a place that fails the pause that it asks for', async () => {
    const slept: number[] = []
    const limited = new Fault('upstream-limited', { url: 'http://a/blob', retryAfterMs: 3_000 })
    const { start } = setUp(
      { a: (part, _asked, count) => (count === 1 || count === 2 ? limited : inPieces(part)) },
      hashesOf(),
      (ms) => slept.push(ms),
    )
    const fill = start()
    expect((await collect(fill.follow())).equals(bytes)).toBe(true)
    expect(slept.filter((ms) => ms === 3_000)).toHaveLength(2)
  })

  test('works with pieces of a length that is not ours', async () => {
    const { start, asked } = setUp({ a: good, b: good }, hashesOf(777_777))
    const fill = start()
    expect((await collect(fill.follow())).equals(bytes)).toBe(true)
    await fill.stored
    expect(fetched(asked)).toBeLessThan(1.1 * size)
  })
})

describe('a fill that is told of places without hashes', () => {
  test('stays with one, and goes on at the next from the same byte when that one fails', async () => {
    const cut = new Fault('source-cut', { url: 'http://a/blob', received: 1 })
    const { start, asked } = setUp({ a: (part) => inPieces(part, { until: 3 * MiB, fault: cut }), b: good }, null as never)
    const fill = start()
    expect((await collect(fill.follow())).equals(bytes)).toBe(true)
    await fill.stored
    expect(fetched(asked)).toBeLessThan(1.1 * size)
  })
})
