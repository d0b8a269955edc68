import { truncate } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { MiB } from '../../kit/blobs.ts'
import { bytesOf, calm, collect, faultOf, idOf, put } from '../../kit/bytes.ts'
import type { StoreBench } from './bench.ts'

/** How bytes are read. */
export function readingPromises(bench: StoreBench): void {
  const { small, large, both, expectBytes, blobFiles } = bench

  describe('reading', () => {
    test.each(both)('any part of $kind can be read', async ({ content }) => {
      await put(bench.store, content)
      await using source = (await bench.store.open(idOf(content)))!
      const { length } = content.bytes
      expect(source.size).toBe(length)
      for (const at of [0, 1, length - 1, length, length + 5]) {
        const into = Buffer.alloc(100)
        const count = await source.read(into, at, calm)
        expect(into.subarray(0, count)).toEqual(content.bytes.subarray(at, at + count))
        expect(count > 0).toBe(at < length)
      }
    })

    test.each(both)('a read of $kind settles only when the buffer is written to no more', async ({ content }) => {
      await put(bench.store, content)
      await using source = (await bench.store.open(idOf(content)))!
      for (let round = 0; round < 20; round++) {
        const control = new AbortController()
        const into = Buffer.alloc(MiB)
        const reading = source.read(into, 0, control.signal).catch(() => {})
        if (round % 2) await new Promise((go) => setImmediate(go))
        control.abort(new Error('gone'))
        await reading
        into.fill(0xaa)
        await new Promise((go) => setTimeout(go, 2))
        expect(into.every((byte) => byte === 0xaa)).toBe(true)
      }
    })

    test('an aborted read says why', async () => {
      await put(bench.store, large)
      await using source = (await bench.store.open(idOf(large)))!
      await expect(source.read(Buffer.alloc(10), 0, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
    })

    test.each(both)('$kind stays readable to who has it open when it is removed', async ({ content }) => {
      await put(bench.store, content)
      await using source = (await bench.store.open(idOf(content)))!
      expect(await bench.store.remove(idOf(content))).toBe(true)
      expect(await bench.store.remove(idOf(content))).toBe(false)
      expect(await bench.store.stat(idOf(content))).toBeUndefined()
      expect(await bench.store.open(idOf(content))).toBeUndefined()
      expectBytes(await collect(source), content.bytes)
      expect(await blobFiles()).toEqual([])
    })

    test('a blob that was removed can be brought in again', async () => {
      await put(bench.store, small)
      expectBytes(await bytesOf(bench.store, small.digest), small.bytes)
      await bench.store.remove(idOf(small))
      await put(bench.store, small)
      expectBytes(await bytesOf(bench.store, small.digest), small.bytes)
    })

    test('a blob whose file lost its end never seems to end early', async () => {
      const { path } = await put(bench.store, large)
      await using source = (await bench.store.open(idOf(large)))!
      await truncate(path, MiB)
      expect(await faultOf(collect(source))).toBe('disk-failed')
    })
  })
}
