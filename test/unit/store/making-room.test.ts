import { unlink, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BlobId } from '../../../src/model/digest.ts'
import type { Spool } from '../../../src/store/blob-store.ts'
import { createDiskStore, type DiskStore, type DiskStoreDeps } from '../../../src/store/disk-store.ts'
import { blob, type Content, MiB } from '../../kit/blobs.ts'
import { calm, faultOf, idOf, put } from '../../kit/bytes.ts'
import { blobPath, filesBelow, spoolsOn, until } from '../../kit/disk.ts'
import { createHandClock, type HandClock } from '../../kit/hand-clock.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { createRecordedLog } from '../../kit/recorded-log.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

expectNoLeaks()

const quota = 10 * MiB
const twoOf = (count: number) => Array.from({ length: count }, (_, at) => blob(2 * MiB, `room ${at}`))

describe('a store that may keep 10 MiB', () => {
  let folder: TempFolder
  let clock: HandClock
  let store: DiskStore
  let evicted: BlobId[]
  let stop: () => Promise<void>

  async function openStore(more: Partial<DiskStoreDeps> = {}): Promise<void> {
    store = await createDiskStore({
      path: folder.path,
      clock,
      log: createRecordedLog(),
      bootId: 'boot',
      space: { quota, lowWatermark: 1, minFree: 0 },
      evicted: ({ id }) => void evicted.push(id),
      ...more,
    })
    stop = store.watch()
    await clock.asleep(2) // it has looked at the disk
  }

  async function closeStore(): Promise<void> {
    await stop()
    await store.close()
  }

  beforeEach(async () => {
    folder = await tempFolder()
    clock = createHandClock()
    evicted = []
    await openStore()
  })
  afterEach(async () => {
    await closeStore()
    await folder[Symbol.asyncDispose]()
  })

  const isHeld = async (content: Content) => (await store.stat(idOf(content))) !== undefined

  test('nothing goes for what does not fit anyway', async () => {
    const held = twoOf(4)
    for (const one of held) await put(store, one)
    expect(await faultOf(store.stage('too large', 30 * MiB))).toBe('disk-full')
    expect(evicted).toEqual([])
    expect(await Promise.all(held.map(isHeld))).toEqual([true, true, true, true])
  })

  test('nothing goes either where too much of it is being read', async () => {
    const held = twoOf(4)
    for (const one of held) await put(store, one)
    const reading = await Promise.all(held.slice(1).map((one) => store.open(idOf(one))))
    expect(await faultOf(store.stage('does not fit', 6 * MiB))).toBe('disk-full')
    expect(evicted).toEqual([])
    for (const one of reading) await one?.[Symbol.asyncDispose]()
    const spool = await store.stage('fits now', 6 * MiB)
    await drop(spool)
    expect(evicted.length).toBeGreaterThan(0)
  })

  test('a blob that is being stored is not counted twice', async () => {
    const [a, b] = [blob(4 * MiB, 'a'), blob(4 * MiB, 'b')]
    await put(store, a)
    const spool = await store.stage(b.digest, b.bytes.length)
    await spool.write(0, [b.bytes])
    const most = watching(() => store.usage.bytes + store.usage.reserved)
    const committing = spool.commit(idOf(b))
    const small = await store.stage('small', 1000)
    await committing
    most.end()
    await drop(small)
    expect(most.seen).toBeLessThan(quota)
    expect(evicted).toEqual([])
    await spool[Symbol.asyncDispose]()
    expect(store.usage.reserved).toBe(0)
  })

  test('space for a size that is learnt late is taken once, however many write at once', async () => {
    const spool = await store.stage('grows')
    spool.note({ size: 6 * MiB })
    const part = blob(MiB, 'part').bytes
    await Promise.all([0, 1, 2, 3, 4, 5].map((at) => spool.write(at * MiB, [part])))
    expect(store.usage.reserved).toBeLessThan(7 * MiB)
    await drop(spool)
    expect(store.usage.reserved).toBe(0)
  })

  test('what is left of a fill is counted once, whoever goes on with it and ends', async () => {
    const part = blob(3 * MiB, 'left')
    const first = await store.stage(part.digest, part.bytes.length)
    await first.write(0, [part.bytes])
    const waiting = store.stage(part.digest, part.bytes.length)
    await first[Symbol.asyncDispose]()
    const second = await waiting
    expect(second.held.total).toBe(part.bytes.length)
    await second.commit(idOf(part))
    await second[Symbol.asyncDispose]()
    // 3 MiB are held; 6 MiB more fit beside them only if nothing is counted besides.
    const spool = await store.stage('rest', 6.5 * MiB)
    expect(evicted).toEqual([])
    await drop(spool)
  })

  test('of what unfinished fills left only as much goes as is needed', async () => {
    const parts = [blob(3 * MiB, 'old'), blob(3 * MiB, 'new')]
    for (const part of parts) {
      await using spool = await store.stage(part.digest, 2 * part.bytes.length)
      await spool.write(0, [part.bytes])
    }
    const spool = await store.stage('wants room', 5 * MiB)
    expect(await spoolsOn(folder.path)).toHaveLength(2) // one of them is the new one's
    await drop(spool)
    const kept = await store.stage(parts[1]!.digest, 2 * 3 * MiB)
    expect(kept.held.total).toBe(3 * MiB)
    await drop(kept)
  })

  test('files that vanish are no longer counted once it has looked again', async () => {
    const [a, b] = twoOf(2) as [Content, Content]
    for (const one of [a, b]) await put(store, one)
    await unlink(await blobPath(folder.path, a.digest))
    await clock.advance(10 * 60_000)
    await until(() => store.usage.blobs === 1, 'one blob counted')
    expect(store.usage.bytes).toBeLessThan(3 * MiB)
  })

  test('a second look keeps what came meanwhile, and the order of use', async () => {
    const [a, b, c] = twoOf(3) as [Content, Content, Content]
    for (const one of [a, b]) await put(store, one)
    const looking = clock.advance(10 * 60_000)
    await put(store, c)
    await looking
    await (await store.open(idOf(a)))?.[Symbol.asyncDispose]()
    await clock.advance(10 * 60_000)
    await until(() => store.usage.blobs === 3, 'three blobs counted')
    const spool = await store.stage('wants room', 5 * MiB)
    expect(evicted).toEqual([b.digest])
    await drop(spool)
  })

  test('what lies beside a blob that is gone goes too', async () => {
    const [a] = twoOf(1) as [Content]
    const { path } = await put(store, a)
    for (const suffix of ['.json', '.pieces', '.asc']) await writeFile(path + suffix, '{}')
    await clock.advance(10 * 60_000)
    expect(await filesBelow(`${folder.path}/blobs`)).toHaveLength(4)
    await unlink(path)
    await clock.advance(10 * 60_000)
    await until(async () => (await filesBelow(`${folder.path}/blobs`)).length === 0, 'nothing left beside it')
  })

  test('nobody is let go before it is known who was used least', async () => {
    const held = twoOf(4)
    for (const one of held) {
      await put(store, one)
      await clock.advance(1000)
    }
    await closeStore()
    let isFull = false
    const free = async () => (isFull ? MiB + evicted.length * 2 * MiB : 100 * MiB)
    store = await createDiskStore({
      path: folder.path,
      clock,
      log: createRecordedLog(),
      bootId: 'boot',
      space: { quota, lowWatermark: 1, minFree: 0 },
      free,
      evicted: ({ id }) => void evicted.push(id),
    })
    await put(store, blob(1000, 'newest'))
    isFull = true
    stop = store.watch()
    const spool = await store.stage('wants room', 1.5 * MiB)
    expect(evicted).toEqual([held[0]!.digest])
    await drop(spool)
  })

  test('a disk that others fill is not written to the last byte', async () => {
    await closeStore()
    let free = 8 * MiB
    await openStore({ space: { quota: Number.POSITIVE_INFINITY, lowWatermark: 1, minFree: 4 * MiB }, free: async () => free })
    const spool = await store.stage('first', 3 * MiB)
    expect(await faultOf(store.stage('second', 3 * MiB))).toBe('disk-full')
    await spool.write(0, [blob(3 * MiB, 'first').bytes])
    free -= 3 * MiB // what is written is no longer counted as still to come
    const second = await store.stage('second', 1000)
    await drop(second)
    await spool.reset()
    free += 3 * MiB
    expect(await faultOf(store.stage('third', 2 * MiB))).toBe('disk-full') // the first has to be written again
    await drop(spool)
  })

  test('a reader of a blob that goes reads it to its end', async () => {
    const [a] = twoOf(1) as [Content]
    await put(store, a)
    const source = (await store.open(idOf(a)))!
    await store.remove(idOf(a))
    const buffer = Buffer.alloc(2 * MiB)
    expect(await source.read(buffer, 0, calm)).toBeGreaterThan(0)
    await source[Symbol.asyncDispose]()
  })
})

async function drop(spool: Spool): Promise<void> {
  await spool.drop()
  await spool[Symbol.asyncDispose]()
}

/** The most that was ever there between two turns of the loop. */
function watching(value: () => number) {
  let isOver = false
  const end = () => {
    isOver = true
  }
  const seen = { seen: 0, end }
  const look = () => {
    seen.seen = Math.max(seen.seen, value())
    if (!isOver) setImmediate(look)
  }
  look()
  return seen
}
