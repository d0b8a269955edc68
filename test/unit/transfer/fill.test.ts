import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Artifact } from '../../../src/model/artifact.ts'
import type { Digest } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { Reference } from '../../../src/model/reference.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { type FillDeps, startFill } from '../../../src/transfer/fill.ts'
import { createQueue } from '../../../src/transfer/queue.ts'
import { collect, digestOfBytes, inPieces, memoryHouse, scriptedSources, silent } from './memory-house.ts'

const MiB = 1024 * 1024
const quick = { ...systemClock, sleep: (_ms: number, signal?: AbortSignal) => systemClock.sleep(1, signal) }

function artifact(digest: Digest, size: number | undefined): Artifact {
  const reference = { kind: 'blob', upstream: 'lab', repository: 'tool', digest } as Reference
  return {
    reference,
    mediaType: 'application/octet-stream',
    digests: [digest],
    size,
    checkedAt: 0,
    freshUntil: Number.POSITIVE_INFINITY,
  }
}

function setUp(
  size: number,
  script: (bytes: Uint8Array) => ReturnType<typeof scriptedSources>,
  known: { size?: boolean; lingerMs?: number } = {},
) {
  const bytes = randomBytes(size)
  const house = memoryHouse(size)
  const upstream = script(bytes)
  const queue = createQueue(10, 10)
  const deps: FillDeps = {
    ...house,
    read: upstream.read,
    clock: known.lingerMs === undefined ? quick : systemClock,
    log: silent,
    lingerMs: known.lingerMs ?? 60_000,
    received: () => {},
    wrong: () => {},
    enter: (signal) => queue.enter('lab', signal),
    ending: () => {},
    discover: async () => ({ pieces: undefined, sources: [] }),
  }
  const digest = digestOfBytes(bytes)
  const start = () => startFill(deps, digest, artifact(digest, known.size === false ? undefined : size), upstream.sources)
  return { bytes, house, digest, start, ...upstream }
}

const cut = (received: number) => new Fault('source-cut', { url: 'http://a/blob', received })

describe('a fill', () => {
  test('is one request and the right bytes for a crowd of whole and ranged readers', async () => {
    const { bytes, start, asked, house, digest } = setUp(6 * MiB, (bytes) =>
      scriptedSources(bytes, { a: (part) => inPieces(part) }),
    )
    const fill = start()
    const whole = Array.from({ length: 20 }, () => collect(fill.follow()))
    const parts = Array.from({ length: 20 }, (_, at) => collect(fill.follow(), at * 1000, at * 1000 + MiB))
    for (const got of await Promise.all(whole)) expect(got.equals(bytes)).toBe(true)
    for (const [at, got] of (await Promise.all(parts)).entries())
      expect(got.equals(bytes.subarray(at * 1000, at * 1000 + MiB))).toBe(true)
    expect(asked).toHaveLength(1)
    await fill.stored
    expect(house.blobs.has(digest as never)).toBe(true)
  })

  test('keeps the last byte back until the digest agrees', async () => {
    const { bytes, start, house } = setUp(2 * MiB, (bytes) => scriptedSources(bytes, { a: (part) => inPieces(part) }))
    const agree = house.holdDigests()
    const fill = start()
    const reader = fill.follow()
    const early = await collect(reader, 0, bytes.length - 1)
    expect(early.equals(bytes.subarray(0, -1))).toBe(true)
    let isLate = false
    const last = collect(reader, bytes.length - 1).then((got) => {
      isLate = true
      return got
    })
    await new Promise((resolve) => setTimeout(resolve, 40))
    expect(isLate).toBe(false)
    agree()
    expect((await last).equals(bytes.subarray(-1))).toBe(true)
  })

  test('shows nothing of a small blob before it is whole', async () => {
    const { bytes, start, house } = setUp(1000, (bytes) =>
      scriptedSources(bytes, { a: (part) => inPieces(part, { pieceBytes: 100 }) }),
    )
    const agree = house.holdDigests()
    const fill = start()
    const reader = fill.follow()
    let isOpen = false
    void fill.opened.then(() => {
      isOpen = true
    })
    await new Promise((resolve) => setTimeout(resolve, 40))
    expect(isOpen).toBe(false)
    agree()
    expect((await collect(reader)).equals(bytes)).toBe(true)
  })

  test('goes on by range where a source was cut, unnoticed', async () => {
    const { bytes, start, asked } = setUp(4 * MiB, (bytes) =>
      scriptedSources(bytes, {
        a: (part, _asked, count) => (count === 0 ? inPieces(part, { until: MiB, fault: cut(MiB) }) : inPieces(part)),
      }),
    )
    const fill = start()
    expect((await collect(fill.follow())).equals(bytes)).toBe(true)
    expect(asked.map(({ start }) => start)).toEqual([0, MiB])
    expect(asked.reduce((sum, { sent }) => sum + sent, 0)).toBe(bytes.length)
  })

  test('survives a cut at a source that ignores ranges', async () => {
    const { bytes, start } = setUp(4 * MiB, (bytes) =>
      scriptedSources(
        bytes,
        { a: (part, _asked, count) => (count === 0 ? inPieces(part, { until: MiB, fault: cut(MiB) }) : inPieces(part)) },
        { ignoresRange: true },
      ),
    )
    expect((await collect(start().follow())).equals(bytes)).toBe(true)
  })

  test('moves on to the next source when one dies for good', async () => {
    const { bytes, start, asked } = setUp(4 * MiB, (bytes) =>
      scriptedSources(bytes, {
        a: (part, _asked, count) =>
          count === 0
            ? inPieces(part, { until: MiB, fault: cut(MiB) })
            : new Fault('upstream-unreachable', { url: 'http://a/blob', why: 'ECONNREFUSED' }),
        b: (part) => inPieces(part),
      }),
    )
    expect((await collect(start().follow())).equals(bytes)).toBe(true)
    expect(asked.at(-1)).toMatchObject({ host: 'b', start: MiB })
  })

  test('works where nobody says the size', async () => {
    const { bytes, start } = setUp(
      3 * MiB,
      (bytes) => scriptedSources(bytes, { a: (part) => inPieces(part) }, { hidesSize: true }),
      { size: false },
    )
    expect((await collect(start().follow())).equals(bytes)).toBe(true)
  })

  test('works for a blob of no bytes whose size nobody says', async () => {
    const { start } = setUp(0, (bytes) => scriptedSources(bytes, { a: (part) => inPieces(part) }, { hidesSize: true }), {
      size: false,
    })
    expect(await collect(start().follow())).toHaveLength(0)
  })

  test('never ends cleanly for a reader of wrong bytes, and keeps nothing', async () => {
    const { start, house, digest } = setUp(2 * MiB, (bytes) => scriptedSources(bytes, { a: (part) => inPieces(flipped(part)) }))
    const fill = start()
    await expect(collect(fill.follow())).rejects.toMatchObject({ code: 'corrupt' })
    await expect(fill.stored).rejects.toMatchObject({ code: 'corrupt' })
    expect(house.blobs.size + house.spools.size).toBe(0)
    expect(digest).toBeDefined()
  })

  test('cuts those who were given wrong bytes and begins again elsewhere for the others', async () => {
    const { bytes, start } = setUp(2 * MiB, (bytes) =>
      scriptedSources(bytes, { a: (part) => inPieces(flipped(part)), b: (part) => inPieces(part) }),
    )
    const fill = start()
    const fed = collect(fill.follow())
    const waiting = collect(fill.follow(), bytes.length - 1)
    await expect(fed).rejects.toMatchObject({ code: 'corrupt' })
    expect((await waiting).equals(bytes.subarray(-1))).toBe(true)
    expect((await collect(fill.follow())).equals(bytes)).toBe(true)
  })

  test('gives a reader far ahead a request of its own and fetches no byte twice', async () => {
    const gate = Promise.withResolvers<void>()
    const { bytes, start, asked } = setUp(40 * MiB, (bytes) =>
      scriptedSources(bytes, { a: (part, { start }) => inPieces(part, start === 0 ? { gate: gate.promise, gateAt: MiB } : {}) }),
    )
    const fill = start()
    const whole = collect(fill.follow())
    const ahead = await collect(fill.follow(), 30 * MiB, 31 * MiB)
    expect(ahead.equals(bytes.subarray(30 * MiB, 31 * MiB))).toBe(true)
    gate.resolve()
    expect((await whole).equals(bytes)).toBe(true)
    expect(asked.reduce((sum, { sent }) => sum + sent, 0)).toBeLessThan(bytes.length * 1.02)
  })

  test('serves the end of a cold blob without waiting for what is before it', async () => {
    const gate = Promise.withResolvers<void>()
    const { bytes, start } = setUp(40 * MiB, (bytes) =>
      scriptedSources(bytes, { a: (part, { start }) => inPieces(part, start === 0 ? { gate: gate.promise } : {}) }),
    )
    const fill = start()
    const reader = fill.follow()
    const tail = await collect(reader, bytes.length - 5000, bytes.length - 1)
    expect(tail.equals(bytes.subarray(-5000, -1))).toBe(true)
    gate.resolve()
    expect((await collect(fill.follow())).equals(bytes)).toBe(true)
  })

  test('tells who asks why no source would answer', async () => {
    const { start } = setUp(2 * MiB, (bytes) => scriptedSources(bytes, { a: () => new Fault('not-found', { what: 'x' }) }))
    const fill = start()
    await using reader = fill.follow()
    await expect(fill.opened).rejects.toMatchObject({ code: 'not-found' })
    await expect(collect(reader)).rejects.toMatchObject({ code: 'not-found' })
  })

  test('refuses a source whose size is not the known one', async () => {
    const { start } = setUp(2 * MiB, (bytes) => {
      const other = scriptedSources(Buffer.concat([bytes, bytes]), { a: (part) => inPieces(part) })
      return other
    })
    await expect(start().stored).rejects.toMatchObject({ code: 'source-changed' })
  })

  test('outlives the reader who began it', async () => {
    const { bytes, start, asked } = setUp(3 * MiB, (bytes) => scriptedSources(bytes, { a: (part) => inPieces(part) }))
    const fill = start()
    const leaving = new AbortController()
    const first = collect(fill.follow(), 0, Number.POSITIVE_INFINITY, leaving.signal)
    const second = collect(fill.follow())
    leaving.abort(new Error('gone'))
    await expect(first).rejects.toThrow('gone')
    expect((await second).equals(bytes)).toBe(true)
    expect(asked).toHaveLength(1)
  })

  test('ends a while after the last reader left, keeping what it has, when little of it is done', async () => {
    const never = Promise.withResolvers<void>()
    const { bytes, start, house } = setUp(
      200 * MiB,
      (bytes) =>
        scriptedSources(bytes, {
          a: (part, _asked, count) => inPieces(part, count === 0 ? { gate: never.promise, gateAt: 2 * MiB } : {}),
        }),
      { lingerMs: 30 },
    )
    const fill = start()
    const reader = fill.follow()
    await collect(reader, 0, MiB)
    await reader[Symbol.asyncDispose]()
    const ended = expect(fill.stored).rejects.toMatchObject({ code: 'cancelled' })
    await new Promise((resolve) => setTimeout(resolve, 60))
    never.resolve()
    await ended
    expect([...house.spools.values()][0]!.held.total).toBeGreaterThanOrEqual(MiB)
    const again = start()
    expect((await collect(again.follow())).equals(bytes)).toBe(true)
  })
})

function flipped(bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[100] = copy[100]! ^ 1
  return copy
}
