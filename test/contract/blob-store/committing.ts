import { readFile, stat, truncate } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { MiB, blob as makeBlob } from '../../kit/blobs.ts'
import { bytesOf, collect, faultOf, idOf, put } from '../../kit/bytes.ts'
import type { StoreBench } from './bench.ts'

/** How bytes come in. */
export function committingPromises(bench: StoreBench): void {
  const { small, large, both, expectBytes, gather, reopen, spoolFiles, blobFiles } = bench

  describe('committing', () => {
    test('a blob is invisible until committed', async () => {
      const id = idOf(small)
      await using spool = await bench.store.stage(id, small.bytes.length)
      await spool.write(0, [small.bytes])
      expect(await bench.store.stat(id)).toBeUndefined()
      expect(await bench.store.open(id)).toBeUndefined()
      expect(await gather(bench.store.list())).toEqual([])
      await spool.commit(id)
      expectBytes(await bytesOf(bench.store, id), small.bytes)
      expect(await bench.store.stat(id)).toMatchObject({ id, size: small.bytes.length })
    })

    const all = [...both, { kind: 'an empty blob', content: makeBlob(0) }, { kind: 'a blob of one byte', content: makeBlob(1) }]
    test.each(all)('$kind is on disk as it was', async ({ content }) => {
      const stored = await put(bench.store, content)
      expectBytes(await readFile(stored.path), content.bytes)
      expect((await stat(stored.path)).mode & 0o777).toBe(0o600)
      expect(await spoolFiles()).toEqual([])
      await reopen()
      expectBytes(await bytesOf(bench.store, content.digest), content.bytes)
    })

    test('whoever commits second adopts the blob that is there', async () => {
      const first = await put(bench.store, small, 'one')
      await using reader = (await bench.store.open(idOf(small)))!
      const { ino } = await stat(first.path)
      const second = await put(bench.store, small, 'two')
      expect(second.path).toBe(first.path)
      expect((await stat(second.path)).ino).toBe(ino)
      expectBytes(await collect(reader), small.bytes)
      expect(await spoolFiles()).toEqual([])
    })

    test('a blob that lost its end on disk is replaced by a commit', async () => {
      const { path } = await put(bench.store, small)
      await reopen()
      await truncate(path, 100)
      await put(bench.store, small, 'again')
      expectBytes(await bytesOf(bench.store, small.digest), small.bytes)
    })

    test('pieces may come in any order and overlap', async () => {
      const { bytes } = large
      await using spool = await bench.store.stage('key', bytes.length)
      await spool.write(2 * MiB, [bytes.subarray(2 * MiB)])
      await Promise.all([
        spool.write(MiB, [bytes.subarray(MiB, 2 * MiB), bytes.subarray(2 * MiB, 2 * MiB + 10)]),
        spool.write(0, [bytes.subarray(0, 5), bytes.subarray(5, MiB + 100)]),
      ])
      expect(spool.held.ranges).toEqual([{ start: 0, end: bytes.length }])
      await spool.commit(idOf(large))
      expectBytes(await bytesOf(bench.store, large.digest), bytes)
    })

    test('what has gaps is not committed', async () => {
      const { bytes } = small
      await using spool = await bench.store.stage('key', bytes.length)
      await spool.write(0, [bytes.subarray(0, 100)])
      await spool.write(200, [bytes.subarray(200)])
      expect(await faultOf(spool.commit(idOf(small)))).toBe('internal')
      expect(await bench.store.stat(idOf(small))).toBeUndefined()
      await spool.write(100, [bytes.subarray(100, 200)])
      await spool.commit(idOf(small))
      expectBytes(await bytesOf(bench.store, small.digest), bytes)
    })

    test('what is shorter than its size is not committed', async () => {
      await using spool = await bench.store.stage('key', small.bytes.length + 1)
      await spool.write(0, [small.bytes])
      expect(await faultOf(spool.commit(idOf(small)))).toBe('internal')
      expect(await blobFiles()).toEqual([])
    })
  })
}
