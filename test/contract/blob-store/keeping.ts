import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { BlobId } from '../../../src/model/digest.ts'
import { KiB, blob as makeBlob } from '../../kit/blobs.ts'
import { bytesOf, faultOf, idOf, put } from '../../kit/bytes.ts'
import { filesBelow, until } from '../../kit/disk.ts'
import type { StoreBench } from './bench.ts'

/** How blobs are looked after, and which names there are. */
export function keepingPromises(bench: StoreBench): void {
  const { small, large, both, expectBytes, gather, openAt } = bench

  describe('keeping', () => {
    test.each(both)('quarantined bytes of $kind are out of reach and kept', async ({ content }) => {
      await put(bench.store, content)
      await bytesOf(bench.store, content.digest)
      const movedTo = (await bench.store.quarantine(idOf(content)))!
      expectBytes(await readFile(movedTo), content.bytes)
      expect(await bench.store.stat(idOf(content))).toBeUndefined()
      expect(await bench.store.open(idOf(content))).toBeUndefined()
      expect(await bench.store.quarantine(idOf(content))).toBeUndefined()
      await put(bench.store, content)
      const again = (await bench.store.quarantine(idOf(content)))!
      expect(again).not.toBe(movedTo)
      expectBytes(await readFile(movedTo), content.bytes)
    })

    test('blobs are listed in order, and nothing else that lies there', async () => {
      const contents = [small, large, ...Array.from({ length: 20 }, (_, at) => makeBlob(10, `seed ${at}`))]
      for (const content of contents) await put(bench.store, content)
      const { path } = (await bench.store.stat(idOf(small)))!
      await writeFile(`${path}.json`, '{}')
      await writeFile(join(bench.folder.path, 'blobs', 'sha256', 'stray'), '')
      await writeFile(join(path, '..', `${'0'.repeat(62)}zz`), '')
      const listed = await gather(bench.store.list())
      const inOrder = contents.map(({ digest }) => digest).sort()
      expect(listed.map(({ id }) => id)).toEqual(inOrder)
      const after = await bench.gather(bench.store.list(listed[9]!.id))
      expect(after.map(({ id }) => id)).toEqual(inOrder.slice(10))
      expect(listed.find(({ id }) => id === small.digest)).toMatchObject({ size: small.bytes.length, path })
    })

    test.each(both)('the last use of $kind is written to its file within a minute, and read back', async ({ content }) => {
      const { path, lastUsed } = await put(bench.store, content)
      expect(lastUsed).toBe(bench.clock.now())
      await bytesOf(bench.store, content.digest)
      await bench.clock.asleep()
      await bench.clock.advance(90_000)
      await bytesOf(bench.store, content.digest)
      const usedAt = bench.clock.now()
      await bench.clock.asleep() // the last round of writing has ended
      expect(await bench.store.stat(idOf(content))).toMatchObject({ lastUsed: usedAt })
      await bench.clock.advance(60_000)
      await until(async () => (await stat(path)).mtimeMs === usedAt, 'the last use on the file')
      await bytesOf(bench.store, content.digest)
      const lastAt = bench.clock.now()
      await bench.store.close()
      expect((await stat(path)).mtimeMs).toBe(lastAt)
      await bench.clock.advance(3_600_000)
      bench.store = await openAt(bench.folder.path)
      expect(await bench.store.stat(idOf(content))).toMatchObject({ lastUsed: lastAt })
    })
  })
  describe('names', () => {
    const hex = 'a'.repeat(64)
    const wrong = [
      '',
      hex,
      `sha256:${hex.slice(1)}`,
      `sha256:${hex.toUpperCase()}`,
      `sha512:${hex}${hex}`,
      'sha256:../../../etc/passwd',
    ]
    const tricks = [
      ...wrong,
      `sha256:${'../'.repeat(21)}x`,
      `sha256:${hex.slice(4)}\0abc`,
      `sha256:${hex.slice(3)}/..`,
      `md5:${hex.slice(32)}`,
    ]
    test.each(tricks)('%j names no blob', async (text) => {
      const id = text as BlobId
      expect(await faultOf(() => bench.store.stat(id))).toBe('digest-invalid')
      expect(await faultOf(() => bench.store.open(id))).toBe('digest-invalid')
      expect(await faultOf(() => bench.store.remove(id))).toBe('digest-invalid')
      expect(await faultOf(() => bench.store.quarantine(id))).toBe('digest-invalid')
      await using spool = await bench.store.stage('key')
      await spool.write(0, [small.bytes])
      expect(await faultOf(() => spool.commit(id))).toBe('digest-invalid')
      await spool.drop()
      expect(await filesBelow(bench.folder.path)).toEqual([])
    })

    test.each(['../../outside', '/etc/passwd', 'a\0b', '', 'x'.repeat(5000)])(
      'the key %j stays inside the folder',
      async (key) => {
        {
          await using spool = await bench.store.stage(key)
          await spool.write(0, [Buffer.alloc(2 * KiB)])
          expect(spool.path.startsWith(join(bench.folder.path, 'spools'))).toBe(true)
        }
        await using spool = await bench.store.stage(key)
        expect(spool.held.total).toBe(2 * KiB)
        expect((await filesBelow(bench.folder.path)).every((file) => /^spools\/[0-9a-f]{64}\.(part|journal)$/.test(file))).toBe(
          true,
        )
        await spool.drop()
      },
    )
  })
}
