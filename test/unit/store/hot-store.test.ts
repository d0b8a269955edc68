import { beforeEach, describe, expect, test } from 'vitest'
import { memorySource } from '../../../src/model/byte-source.ts'
import type { BlobId } from '../../../src/model/digest.ts'
import type { BlobStore } from '../../../src/store/blob-store.ts'
import { createHotStore } from '../../../src/store/hot-store.ts'
import { blob, type Content } from '../../kit/blobs.ts'
import { bytesOf, idOf } from '../../kit/bytes.ts'

/** A store behind whose blobs are a map and that counts what it is asked. */
function behind(...contents: readonly Content[]) {
  const blobs = new Map(contents.map((content) => [idOf(content), content.bytes]))
  const opened: BlobId[] = []
  const touched: BlobId[] = []
  let gate: Promise<void> = Promise.resolve()
  const store: Pick<BlobStore, 'stat' | 'open' | 'remove' | 'quarantine' | 'close'> & { touch(id: BlobId): void } = {
    async stat(id) {
      const bytes = blobs.get(id)
      return bytes && { id, size: bytes.length, lastUsed: 5, path: `/${id}` }
    },
    async open(id) {
      const bytes = blobs.get(id)
      if (!bytes) return undefined
      opened.push(id)
      const { read, size } = memorySource(bytes)
      return {
        size,
        async read(into, position, signal) {
          await gate
          return read(into.subarray(0, 1000), position, signal) // in short pieces
        },
        async [Symbol.asyncDispose]() {},
      }
    },
    remove: async (id) => blobs.delete(id),
    quarantine: async (id) => (blobs.delete(id) ? '/quarantine' : undefined),
    touch: (id) => void touched.push(id),
    close: async () => {},
  }
  return {
    store: store as unknown as BlobStore & { touch(id: BlobId): void },
    opened,
    touched,
    blobs,
    hold() {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = promise
      return resolve
    },
  }
}

describe('small blobs in memory', () => {
  const small = blob(5_000, 'small')
  const large = blob(20_000, 'large')
  let disk: ReturnType<typeof behind>
  let hot: BlobStore
  let now = 100

  beforeEach(() => {
    now = 100
    disk = behind(small, large)
    hot = createHotStore({ store: disk.store, now: () => now, maxBytes: 100_000, maxBlobBytes: 10_000 })
  })

  test('are read from disk once, and the disk is told of each use', async () => {
    for (let at = 0; at < 3; at++) expect((await bytesOf(hot, small.digest))?.equals(small.bytes)).toBe(true)
    expect(disk.opened).toEqual([small.digest])
    expect(disk.touched).toHaveLength(3)
    now = 200
    await bytesOf(hot, small.digest)
    expect(await hot.stat(idOf(small))).toMatchObject({ lastUsed: 200, size: 5_000, path: `/${small.digest}` })
  })

  test('are read once also when many ask at once', async () => {
    const open = disk.hold()
    const all = Array.from({ length: 10 }, () => bytesOf(hot, small.digest))
    await new Promise((go) => setImmediate(go))
    open()
    for (const bytes of await Promise.all(all)) expect(bytes?.equals(small.bytes)).toBe(true)
    expect(disk.opened).toHaveLength(1)
  })

  test('large ones are left to the disk', async () => {
    for (let at = 0; at < 2; at++) expect((await bytesOf(hot, large.digest))?.equals(large.bytes)).toBe(true)
    expect(disk.opened).toHaveLength(2)
  })

  test('take no more memory than they may', async () => {
    const many = Array.from({ length: 50 }, (_, at) => blob(9_000, `many ${at}`))
    for (const content of many) disk.blobs.set(idOf(content), content.bytes)
    for (const { digest } of many) await bytesOf(hot, digest)
    disk.opened.length = 0
    for (const { digest } of many.toReversed()) await bytesOf(hot, digest)
    const fromMemory = many.length - disk.opened.length
    expect(fromMemory).toBeGreaterThan(5)
    expect(fromMemory).toBeLessThanOrEqual(10)
  })

  test.each([0, 1, 512, 600])('with %d bytes of memory all is left to the disk', async (maxBytes) => {
    const none = createHotStore({ store: disk.store, now: () => now, maxBytes })
    for (let at = 0; at < 2; at++) expect((await bytesOf(none, small.digest))?.equals(small.bytes)).toBe(true)
    expect(disk.opened).toHaveLength(2)
  })

  test.each(['remove', 'quarantine'] as const)('one gone by %s is gone, also when it was being read', async (verb) => {
    await bytesOf(hot, small.digest)
    await hot[verb](idOf(small))
    expect(await hot.open(idOf(small))).toBeUndefined()
    expect(await hot.stat(idOf(small))).toBeUndefined()

    disk.blobs.set(idOf(small), small.bytes)
    const open = disk.hold()
    const reading = bytesOf(hot, small.digest)
    await new Promise((go) => setImmediate(go))
    await hot[verb](idOf(small))
    open()
    expect((await reading)?.equals(small.bytes), 'who has it open reads on').toBe(true)
    expect(await hot.open(idOf(small))).toBeUndefined()
  })
})
