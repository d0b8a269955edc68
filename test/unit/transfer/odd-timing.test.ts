import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Artifact } from '../../../src/model/artifact.ts'
import type { Digest } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { Reference } from '../../../src/model/reference.ts'
import type { Spool } from '../../../src/store/blob-store.ts'
import { systemClock } from '../../../src/system/clock.ts'
import type { Hasher } from '../../../src/system/hasher.ts'
import { createMetrics } from '../../../src/system/metrics.ts'
import { createTransfer, type TransferDeps } from '../../../src/transfer/local-transfer.ts'
import { createReaders } from '../../../src/transfer/readers.ts'
import type { Supply } from '../../../src/transfer/supply.ts'
import { collect, digestOfBytes, inPieces, memoryHouse, scriptedSources, silent } from './memory-house.ts'

const MiB = 1024 * 1024
const links = { duplicates: [], describedBy: [{ url: 'http://a/blob.meta4', mediaType: 'application/metalink4+xml' }] }
const quick = { ...systemClock, sleep: (_ms: number, signal?: AbortSignal) => systemClock.sleep(1, signal) }
const cut = new Fault('source-cut', { url: 'http://a/blob', received: 0 })

type Upstream = Pick<ReturnType<typeof scriptedSources>, 'read' | 'sources'>

/** `wrap` changes what the spools of the store do. */
function setUp(
  bytes: Uint8Array,
  upstream: Upstream,
  { clock = quick, ...more }: Partial<Supply & Pick<TransferDeps, 'clock'>> = {},
  wrap?: (spool: Spool) => Spool,
) {
  const house = memoryHouse(4 * MiB + bytes.length)
  const stage: typeof house.store.stage = async (key) => {
    while (house.spools.get(key)?.open) await later() // one owner at a time
    return (wrap ?? ((one) => one))(await house.store.stage(key))
  }
  const hashed: string[] = [] // parts of spools
  const part: Hasher['part'] = (path, range) => {
    hashed.push(path)
    return house.hasher.part(path, range)
  }
  const transfer = createTransfer({
    ...house,
    hasher: { ...house.hasher, part },
    store: { ...house.store, stage },
    supply: () => ({
      read: upstream.read,
      lingerMs: 60_000,
      wrong: () => {},
      discover: async () => ({ pieces: undefined, sources: [] }),
      mayPass: () => false,
      ...more,
    }),
    clock,
    log: silent,
    metrics: createMetrics(),
    maxFills: 10,
    maxQueued: 10,
  })
  const digest = digestOfBytes(bytes)
  const fill = (size?: number) => transfer.fill(artifact(digest, size), upstream.sources)
  return { house, transfer, fill, hashed }
}

function artifact(digest: Digest, size: number | undefined): Artifact {
  const reference = { kind: 'blob', upstream: 'lab', repository: 'tool', digest } as Reference
  const mediaType = 'application/octet-stream'
  return { reference, mediaType, digests: [digest], size, checkedAt: 0, freshUntil: Number.POSITIVE_INFINITY }
}

/** Each host with bytes of its own. */
function differing(answers: Record<string, Upstream>): Upstream {
  return {
    read: (source, ...rest) => answers[source.url.hostname]!.read(source, ...rest),
    sources: Object.values(answers).flatMap(({ sources }, at) => sources.map((one) => ({ ...one, priority: at + 1 }))),
  }
}

const later = () => new Promise((resolve) => setTimeout(resolve, 20))

describe('a fill', () => {
  test('has all bytes for who comes while it lets its spool go', async () => {
    const bytes = randomBytes(2 * MiB)
    const left = Promise.withResolvers<void>()
    const closing = Promise.withResolvers<void>()
    const closed = Promise.withResolvers<void>()
    const { fill } = setUp(bytes, scriptedSources(bytes, { a: (part) => inPieces(part) }), {}, (spool) => ({
      ...spool,
      async commit(id) {
        await left.promise
        return spool.commit(id)
      },
      async [Symbol.asyncDispose]() {
        closing.resolve()
        await closed.promise
        await spool[Symbol.asyncDispose]()
      },
    }))
    const first = fill(bytes.length).follow()
    await collect(first)
    await first[Symbol.asyncDispose]()
    left.resolve()
    await closing.promise
    const second = collect(fill(bytes.length).follow())
    closed.resolve()
    expect((await second).equals(bytes)).toBe(true)
  })

  test('that is being ended as nobody waits is not joined any more', async () => {
    const bytes = randomBytes(72 * MiB)
    const never = Promise.withResolvers<void>()
    const writing = Promise.withResolvers<void>()
    const written = Promise.withResolvers<void>()
    const upstream = scriptedSources(bytes, {
      a: (part, _asked, count) => inPieces(part, count === 0 ? { gate: never.promise, gateAt: MiB } : {}),
    })
    const { fill, transfer } = setUp(bytes, upstream, { clock: systemClock, lingerMs: 30 }, (spool) =>
      Object.assign(spool, {
        write: (
          (write) =>
          async (...asked: Parameters<Spool['write']>) => {
            writing.resolve()
            await written.promise
            await write(...asked)
          }
        )(spool.write),
      }),
    )
    const first = fill(bytes.length)
    const reader = first.follow()
    await writing.promise
    await reader[Symbol.asyncDispose]()
    await expect.poll(() => transfer.running(digestOfBytes(bytes))).toBeUndefined() // it has been told to end, and cannot yet
    const second = collect(fill(bytes.length).follow(), 0, MiB)
    written.resolve()
    expect((await second).equals(bytes.subarray(0, MiB))).toBe(true)
    await expect(first.stored).rejects.toMatchObject({ code: 'cancelled' })
  })

  test('ends with the server, also while a long digest is being made', async () => {
    const bytes = randomBytes(2 * MiB)
    const { house, transfer, fill } = setUp(bytes, scriptedSources(bytes, { a: (part) => inPieces(part) }))
    const agree = house.holdDigests()
    const one = fill(bytes.length)
    await collect(one.follow(), 0, bytes.length - 1)
    await later()
    await transfer.close(AbortSignal.abort())
    await expect(one.stored).rejects.toMatchObject({ code: 'cancelled' })
    expect([...house.spools.values()][0]!.held.total).toBe(bytes.length)
    agree()
  })

  test('gives nobody who was told of another size what comes after it began again', async () => {
    const bytes = randomBytes(3 * MiB)
    const upstream = differing({
      a: scriptedSources(randomBytes(2 * MiB), { a: (part) => inPieces(part) }),
      b: scriptedSources(bytes, { b: (part) => inPieces(part) }),
    })
    const { fill } = setUp(bytes, upstream)
    const one = fill()
    expect(await one.opened).toEqual({ size: 2 * MiB })
    await expect(collect(one.follow(), 2 * MiB - 1, 2 * MiB)).rejects.toMatchObject({ code: 'corrupt' })
    await one.stored
  })

  test('of unknown size never ends cleanly for who was given more than there is', async () => {
    const bytes = randomBytes(2 * MiB)
    const tooLong = Buffer.concat([bytes, randomBytes(MiB)])
    const upstream = differing({
      a: scriptedSources(
        tooLong,
        { a: (part, _, count) => (count === 0 ? inPieces(part, { fault: cut }) : cut) },
        { hidesSize: true },
      ),
      b: scriptedSources(bytes, { b: (part) => inPieces(part) }),
    })
    const { fill } = setUp(bytes, upstream)
    const got = await collect(fill().follow()).catch((error: Fault) => error.code)
    expect(typeof got === 'string' || got.equals(bytes)).toBe(true)
  })

  test('takes up no hashes of pieces that come while it begins again', async () => {
    const bytes = randomBytes(9 * MiB)
    const hashes = Array.from({ length: 9 }, (_, at) =>
      createHash('sha256')
        .update(bytes.subarray(at * MiB, (at + 1) * MiB))
        .digest(),
    )
    const resetting = Promise.withResolvers<void>()
    const upstream = scriptedSources(
      bytes,
      { a: (part) => inPieces(part.map((byte) => byte ^ 1)), b: (part) => inPieces(part) },
      { links },
    )
    const discover = async () => {
      await resetting.promise
      return { pieces: { length: MiB, hashes: new Uint8Array(Buffer.concat(hashes)) }, sources: [] }
    }
    const { fill, hashed } = setUp(bytes, upstream, { discover }, (spool) =>
      Object.assign(spool, {
        reset: ((reset) => async () => {
          resetting.resolve()
          await later()
          await reset()
        })(spool.reset),
      }),
    )
    const one = fill(bytes.length)
    await expect(collect(one.follow())).rejects.toMatchObject({ code: 'corrupt' })
    expect((await collect(one.follow())).equals(bytes)).toBe(true)
    await one.stored
    expect(hashed).toEqual([])
  })
})

describe('a reader', () => {
  test('waits for bytes that were forgotten between being seen and being read', async () => {
    let isThere = false
    const readers = createReaders(
      {
        size: undefined,
        isWhole: false,
        end: () => 100_000,
        read: async (into) => {
          const count = isThere ? into.length : 0
          isThere = true
          return count
        },
        borrow: async () => undefined,
        locate: async () => undefined,
      },
      () => {},
    )
    expect(await readers.join().read(new Uint8Array(10), 0, new AbortController().signal)).toBe(10)
  })
})
