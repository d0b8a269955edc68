import { chmod, readFile, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createDiskStore, type DiskStore } from '../../../src/store/disk-store.ts'
import { type ScrubDeps, startScrub } from '../../../src/store/scrub.ts'
import { createHasher, type Hasher } from '../../../src/system/hasher.ts'
import { blob, type Content, KiB, MiB } from '../../kit/blobs.ts'
import { idOf, put } from '../../kit/bytes.ts'
import { blobPath, blobsOn, filesBelow, until } from '../../kit/disk.ts'
import { createHandClock, type HandClock } from '../../kit/hand-clock.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { createRecordedLog, type RecordedLog } from '../../kit/recorded-log.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

expectNoLeaks()

const second = 1_000
const day = 24 * 3600 * second
const contents = [blob(3 * MiB, 'a'), blob(2 * MiB + 5, 'b'), blob(100 * KiB, 'c'), blob(MiB, 'd'), blob(0, 'empty')]
const inOrder = contents.toSorted((one, other) => (one.digest < other.digest ? -1 : 1))
const all = contents.reduce((sum, { bytes }) => sum + bytes.length, 0)

describe('scrubbing', () => {
  let folder: TempFolder
  let clock: HandClock
  let log: RecordedLog
  let hasher: Hasher
  let store: DiskStore
  let stop: (() => Promise<void>) | undefined
  let scrubbed: number
  let isBusy: boolean
  let hashed: string[]

  beforeEach(async () => {
    folder = await tempFolder()
    clock = createHandClock()
    log = createRecordedLog()
    hasher = createHasher()
    scrubbed = 0
    isBusy = false
    hashed = []
    store = await createDiskStore({ path: folder.path, clock, log, bootId: 'boot' })
    for (const content of contents) await put(store, content)
  })
  afterEach(async () => {
    await stop?.()
    stop = undefined
    await store.close()
    await hasher.close()
    await folder[Symbol.asyncDispose]()
  })

  function start(more: Partial<ScrubDeps> = {}): void {
    stop = startScrub({
      store,
      hasher: {
        start(path, algorithms) {
          hashed.push(`sha256:${path.slice(-64)}`)
          return hasher.start(path, algorithms)
        },
      },
      clock,
      log,
      path: folder.path,
      rate: 20 * MiB,
      everyMs: 30 * day,
      isBusy: () => isBusy,
      scrubbed: (bytes) => {
        scrubbed += bytes
      },
      ...more,
    })
  }

  /** Moves time on, and lets the hashing thread work meanwhile, until that is so. */
  async function pass(isTrue: () => boolean | Promise<boolean>, what: string, stepMs = 50): Promise<void> {
    await until(async () => {
      await clock.advance(stepMs)
      return isTrue()
    }, what)
  }

  const rounds = () => log.events.filter((event) => event === 'scrub.done').length

  async function spoil(content: Content, how: 'flip' | 'shorten' | 'lengthen'): Promise<void> {
    const path = await blobPath(folder.path, content.digest)
    if (how === 'shorten') return truncate(path, 1000)
    const bytes = await readFile(path)
    bytes[bytes.length >> 1]! ^= 1
    await writeFile(path, how === 'lengthen' ? Buffer.concat([bytes, bytes]) : bytes)
  }

  test('reads everything once, in the order of the digests, and then rests until the next time', async () => {
    start()
    await pass(() => rounds() === 1, 'a round')
    expect(hashed).toEqual(inOrder.map(({ digest }) => digest))
    expect(scrubbed).toBe(all)
    await clock.advance(29 * day)
    expect(rounds()).toBe(1)
    await clock.advance(day)
    await pass(() => rounds() === 2, 'another round')
    expect(hashed).toEqual([...inOrder, ...inOrder].map(({ digest }) => digest))
    expect(await blobsOn(folder.path)).toHaveLength(contents.length)
  })

  test.each(['flip', 'shorten', 'lengthen'] as const)('after %s a blob is put aside, and nothing else', async (how) => {
    const [bad] = contents as [Content]
    await spoil(bad, how)
    start()
    await pass(() => rounds() === 1, 'a round')
    expect(await store.stat(idOf(bad))).toBeUndefined()
    expect([...(await blobsOn(folder.path))].sort()).toEqual(
      inOrder.map(({ digest }) => digest).filter((one) => one !== bad.digest),
    )
    expect(await filesBelow(join(folder.path, 'quarantine'))).toEqual([bad.digest.slice('sha256:'.length)])
    expect(log.lines.filter(({ event }) => event === 'store.bad')).toMatchObject([
      { level: 'error', fields: { digest: bad.digest } },
    ])
  })

  test('keeps to its rate', async () => {
    start({ rate: MiB })
    await pass(() => scrubbed > 0, 'the first blob', 0.1 * second)
    const begunAt = clock.now()
    await pass(() => rounds() === 1, 'a round', 0.1 * second)
    expect(clock.now() - begunAt).toBeGreaterThan(2 * second) // what is left after the first is 3 MiB at least
  })

  test('lets others go first', async () => {
    isBusy = true
    start()
    let steps = 0
    await pass(() => ++steps > 30, 'some time', 10 * second) // in which the hashing thread could have done all of it
    expect(hashed).toEqual([])
    isBusy = false
    await pass(() => hashed.length === 1, 'the first blob', second)
    isBusy = true
    steps = 0
    await pass(() => ++steps > 30, 'some more time', 10 * second)
    expect(rounds()).toBe(0)
    isBusy = false
    await pass(() => rounds() === 1, 'a round')
    expect(scrubbed).toBe(all)
  })

  test('goes on where it was after a restart', async () => {
    start({ rate: MiB })
    await pass(() => hashed.length >= 2, 'the second blob', 0.1 * second)
    await stop!()
    const before = hashed.splice(0)
    start()
    await pass(() => rounds() === 1, 'a round')
    expect(hashed).not.toContain(before[0])
    expect([...new Set([...before, ...hashed])]).toEqual(inOrder.map(({ digest }) => digest))
    await stop!()
    hashed.length = 0
    start()
    for (let at = 0; at < 20; at++) await clock.advance(day)
    expect(hashed).toEqual([]) // the rest until the next round goes on too
  })

  test('begins anew where it is not known how far it was', async () => {
    await writeFile(join(folder.path, 'scrub.json'), '{"begunAt":"yesterday"')
    start()
    await pass(() => rounds() === 1, 'a round')
    expect(hashed).toHaveLength(contents.length)
  })

  test('a blob that is wrong once and then right is not bad', async () => {
    let count = 0
    start({
      hasher: {
        start(path, algorithms) {
          const hashing = hasher.start(path, algorithms)
          const finish = async (size: number) => {
            const hashed = await hashing.finish(size)
            return count++ === 1 ? { ...hashed, digests: [blob(1).digest] } : hashed
          }
          return { ...hashing, finish }
        },
      },
    })
    await pass(() => rounds() === 1, 'a round')
    expect(log.events).not.toContain('store.bad')
    expect(count).toBe(contents.length + 1)
  })

  test('a blob that goes while it is read is not bad', async () => {
    const [first] = inOrder as [Content]
    start({
      hasher: {
        start(path, algorithms) {
          const hashing = hasher.start(path, algorithms)
          return {
            ...hashing,
            async finish(size) {
              if (path.endsWith(first.digest.slice(-64))) await unlink(path).catch(() => {})
              await hashing.finish(size)
              throw new Error('the disk said no')
            },
          }
        },
      },
    })
    await pass(() => rounds() === 1, 'a round')
    expect(log.events).not.toContain('store.bad')
  })

  test('goes on a while after the store could not be looked at', async () => {
    let isBroken = true
    const list: DiskStore['list'] = (after) => {
      if (isBroken) throw new Error('the disk said no')
      return store.list(after)
    }
    start({ store: { ...store, list } })
    await pass(() => log.events.includes('scrub.failed'), 'a failure')
    isBroken = false
    await pass(() => rounds() === 1, 'a round', second)
    expect(hashed).toHaveLength(contents.length)
  })

  test('is off at a rate of nothing', async () => {
    start({ rate: 0 })
    await stop!()
    expect(hashed).toEqual([])
    expect(await filesBelow(folder.path)).not.toContain('scrub.json')
  })

  test('a place that cannot be written down costs only that', async () => {
    await stop?.()
    await chmod(folder.path, 0o700)
    const elsewhere = join(folder.path, 'no', 'such', 'folder')
    start({ path: elsewhere })
    await pass(() => rounds() === 1, 'a round')
    expect(log.events).toContain('scrub.place')
  })
})
