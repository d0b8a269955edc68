import { cp, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Content, MiB } from '../../kit/blobs.ts'
import { bytesOf, faultOf, idOf } from '../../kit/bytes.ts'
import { until } from '../../kit/disk.ts'
import { holdings } from '../../kit/leaks.ts'
import { tempFolder } from '../../kit/temp-folder.ts'
import type { StoreBench } from './bench.ts'

/** What is kept of a fill that is not over. */
export function spoolPromises(bench: StoreBench): void {
  const { small, large, expectBytes, gather, reopen, openAt, spoolFiles } = bench

  describe('spools', () => {
    async function leave(key: string, content: Content, ranges: readonly (readonly [number, number])[]): Promise<void> {
      await using spool = await bench.store.stage(key, content.bytes.length)
      spool.note({ validator: '"etag"' })
      for (const [start, end] of ranges) await spool.write(start, [content.bytes.subarray(start, end)])
    }

    test('what was disposed of is there again, also after the store was closed', async () => {
      const ranges = [[0, 1000] as const, [50_000, 60_000] as const]
      await leave('key', large, ranges)
      for (const _ of ['at once', 'after a restart']) {
        await using spool = await bench.store.stage('key')
        expect(spool.held.ranges).toEqual(ranges.map(([start, end]) => ({ start, end })))
        expect(spool.noted).toEqual({ size: large.bytes.length, validator: '"etag"' })
        const into = Buffer.alloc(20_000)
        expect(await spool.read(into, 50_000)).toBe(10_000)
        expect(into.subarray(0, 10_000)).toEqual(large.bytes.subarray(50_000, 60_000))
        await spool[Symbol.asyncDispose]()
        await reopen()
      }
      await using spool = await bench.store.stage('key')
      await spool.write(0, [large.bytes])
      await spool.commit(idOf(large))
      expectBytes(await bytesOf(bench.store, large.digest), large.bytes)
    })

    test('after the machine was restarted only what was synced is believed', { timeout: 60_000 }, async () => {
      const bytes = Buffer.alloc(67 * MiB, 'abc')
      await using spool = await bench.store.stage('key', bytes.length)
      await spool.write(0, [bytes.subarray(0, 64 * MiB)])
      const journal = async () => {
        const name = (await spoolFiles()).find((file) => file.endsWith('.journal'))
        return name ? readFile(join(bench.folder.path, 'spools', name), 'utf8') : ''
      }
      await until(async () => /"durable":\[\[0,\d+\]\]/.test(await journal()), 'what is synced in the journal', 30_000)
      await spool.write(64 * MiB, [bytes.subarray(64 * MiB)])
      await spool.write(64 * MiB, [bytes.subarray(64 * MiB)]) // a state is written down every few MiB
      await until(async () => (await journal()).includes(`"held":[[0,${67 * MiB}]]`), 'the rest in the journal', 30_000)

      // The process is gone without a word: its files as they lie there.
      for (const [bootId, end] of [['boot-1', 67 * MiB] as const, ['boot-2', 64 * MiB] as const]) {
        await using copy = await tempFolder()
        await cp(bench.folder.path, copy.path, { recursive: true })
        const after = await openAt(copy.path, bootId)
        const resumed = await after.stage('key')
        expect(resumed.held.ranges, bootId).toEqual([{ start: 0, end }])
        await resumed.drop()
        await resumed[Symbol.asyncDispose]()
        await after.close()
      }
      await spool.drop()
    })

    test('a damaged journal is not believed', async () => {
      await leave('key', small, [[0, 10_000]])
      const journal = (await spoolFiles()).find((file) => file.endsWith('.journal'))!
      await writeFile(join(bench.folder.path, 'spools', journal), 'not a journal')
      await using spool = await bench.store.stage('key')
      expect(spool.held.total).toBe(0)
      await spool.write(0, [small.bytes])
      await spool.commit(idOf(small))
      expectBytes(await bytesOf(bench.store, small.digest), small.bytes)
    })

    test('more than the file holds is not believed', async () => {
      await leave('key', small, [[0, 10_000]])
      const part = (await spoolFiles()).find((file) => file.endsWith('.part'))!
      await truncate(join(bench.folder.path, 'spools', part), 300)
      await using spool = await bench.store.stage('key')
      expect(spool.held.ranges).toEqual([{ start: 0, end: 300 }])
    })

    test('a reset spool holds nothing, also after a restart', async () => {
      {
        await using spool = await bench.store.stage('key', small.bytes.length)
        spool.note({ validator: '"old"' })
        await spool.write(0, [small.bytes])
        await spool.reset()
        expect(spool.held.total).toBe(0)
        expect(spool.noted).toEqual({ size: small.bytes.length })
        expect(await spool.read(Buffer.alloc(10), 0)).toBe(0)
      }
      await reopen()
      await using spool = await bench.store.stage('key')
      expect(spool.held.total).toBe(0)
      await spool.write(0, [small.bytes])
      await spool.commit(idOf(small))
      expectBytes(await bytesOf(bench.store, small.digest), small.bytes)
    })

    test('a dropped spool leaves no file', async () => {
      await using spool = await bench.store.stage('key', small.bytes.length)
      await spool.write(0, [small.bytes])
      await spool.drop()
      await spool.drop()
      expect(await spoolFiles()).toEqual([])
      expect(await faultOf(spool.write(0, [small.bytes]))).toBe('internal')
    })

    test('an empty spool leaves no file', async () => {
      await (await bench.store.stage('key'))[Symbol.asyncDispose]()
      expect(await spoolFiles()).toEqual([])
    })

    test('a key has one owner at a time', async () => {
      const first = await bench.store.stage('key')
      let isSecond = false
      const second = bench.store.stage('key').then((spool) => {
        isSecond = true
        return spool
      })
      await first.write(0, [small.bytes])
      await (await bench.store.stage('other'))[Symbol.asyncDispose]()
      expect(isSecond).toBe(false)
      await first[Symbol.asyncDispose]()
      const spool = await second
      expect(spool.held.total).toBe(small.bytes.length)
      await spool.drop()
      await spool[Symbol.asyncDispose]()
    })

    test('who retains a spool reads on past commit and dispose, and its file is then closed', async () => {
      const before = (await holdings()).files
      const spool = await bench.store.stage('key', large.bytes.length)
      await spool.write(0, [large.bytes])
      const release = spool.retain()
      await spool.commit(idOf(large))
      await spool[Symbol.asyncDispose]()
      const into = Buffer.alloc(1000)
      expect(await spool.read(into, 2 * MiB)).toBe(1000)
      expectBytes(into, large.bytes.subarray(2 * MiB, 2 * MiB + 1000))
      expect((await holdings()).files).not.toEqual(before)
      release()
      await until(async () => (await holdings()).files.length === before.length, 'the file closed')
    })

    test('what nobody has open is listed with its key, and can be discarded', async () => {
      await leave('left behind', small, [[0, 10_000]])
      await using busy = await bench.store.stage('busy')
      await busy.write(0, [small.bytes])
      const [found, ...more] = await gather(bench.store.leftovers())
      expect(more).toEqual([])
      expect(found).toMatchObject({ key: 'left behind' })
      expect(found!.bytes).toBeGreaterThanOrEqual(10_000)
      expect(found!.changedAt).toBeGreaterThan(Date.now() - 60_000)
      expect(await bench.store.discard('busy')).toBe(false)
      expect(await bench.store.discard('left behind')).toBe(true)
      expect(await bench.store.discard('left behind')).toBe(false)
      expect(await gather(bench.store.leftovers())).toEqual([])
      expect(await busy.read(Buffer.alloc(10), 0)).toBe(10)
    })

    test('a leftover that lost its key can be discarded by what it is listed as', async () => {
      await leave('key', small, [[0, 10_000]])
      const journal = (await spoolFiles()).find((file) => file.endsWith('.journal'))!
      await writeFile(join(bench.folder.path, 'spools', journal), '{')
      const [found] = await gather(bench.store.leftovers())
      expect(await bench.store.discard(found!.key)).toBe(true)
      expect(await spoolFiles()).toEqual([])
    })
  })
}
