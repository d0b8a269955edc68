import { readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BlobId } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import { openSpool, type SpoolDeps } from '../../../src/store/spool.ts'
import { createBlocks } from '../../../src/system/blocks.ts'
import { blob, MiB } from '../../kit/blobs.ts'
import { faultOf, idOf } from '../../kit/bytes.ts'
import { filesBelow, until } from '../../kit/disk.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { createRecordedLog, type RecordedLog } from '../../kit/recorded-log.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

expectNoLeaks()

describe('a spool', () => {
  let folder: TempFolder
  let log: RecordedLog
  let released: number
  const small = blob(10_000, 'small')

  beforeEach(async () => {
    folder = await tempFolder()
    log = createRecordedLog()
    released = 0
  })
  afterEach(() => folder[Symbol.asyncDispose]())

  const at = (name: string) => join(folder.path, name)
  const open = (more: Partial<SpoolDeps> = {}) =>
    openSpool({
      key: 'key',
      size: small.bytes.length,
      path: at('part'),
      journalPath: at('journal'),
      bootId: 'boot',
      blocks: createBlocks(4),
      log,
      place: async (path: string, id: BlobId, size: number) => ({ id, size, lastUsed: 0, path }),
      released: () => released++,
      ...more,
    })

  test('releases its key once, whichever way it ends', async () => {
    for (const end of ['commit', 'drop', 'dispose'] as const) {
      released = 0
      const spool = await open()
      await spool.write(0, [small.bytes])
      if (end === 'commit') await spool.commit(idOf(small))
      if (end === 'drop') await spool.drop()
      if (end !== 'dispose') expect(released).toBe(1)
      await spool[Symbol.asyncDispose]()
      await spool[Symbol.asyncDispose]()
      expect(released, end).toBe(1)
    }
  })

  test('the journal of another key is not believed', async () => {
    const first = await open()
    await first.write(0, [small.bytes])
    await first[Symbol.asyncDispose]()
    const other = await open({ key: 'other' })
    expect(other.held.total).toBe(0)
    expect((await readFile(at('part'))).length).toBe(0)
    await other.drop()
    await other[Symbol.asyncDispose]()
  })

  test('a commit waits for writes under way and refuses later ones', async () => {
    const spool = await open()
    const writes = [spool.write(0, [small.bytes.subarray(0, 5000)]), spool.write(5000, [small.bytes.subarray(5000)])]
    const committing = spool.commit(idOf(small))
    await Promise.all(writes)
    await committing
    expect(await faultOf(spool.write(0, [small.bytes]))).toBe('internal')
    expect(await faultOf(spool.commit(idOf(small)))).toBe('internal')
    await spool[Symbol.asyncDispose]()
    expect((await readFile(at('part'))).equals(small.bytes)).toBe(true)
    expect(await filesBelow(folder.path)).toEqual(['part'])
  })

  test('bytes of an earlier run behind the end are not committed', async () => {
    await writeFile(at('part'), Buffer.alloc(50_000, 1))
    const spool = await open()
    await spool.write(0, [small.bytes])
    await truncate(at('part'), 30_000)
    await spool.commit(idOf(small))
    expect((await readFile(at('part'))).equals(small.bytes)).toBe(true)
    await spool[Symbol.asyncDispose]()
  })

  test('a file that lost bytes behind our back is not committed', async () => {
    const spool = await open()
    await spool.write(0, [small.bytes])
    await truncate(at('part'), 300)
    expect(await faultOf(spool.commit(idOf(small)))).toBe('disk-failed')
    expect(await faultOf(spool.read(Buffer.alloc(10), 5000))).toBe('disk-failed')
    await spool.drop()
    await spool[Symbol.asyncDispose]()
  })

  test('a commit that cannot be placed leaves the spool as it was', async () => {
    let isFull = true
    const spool = await open({
      async place(path, id, size) {
        if (isFull) throw new Fault('disk-full', { path })
        return { id, size, lastUsed: 0, path }
      },
    })
    await spool.write(0, [small.bytes])
    expect(await faultOf(spool.commit(idOf(small)))).toBe('disk-full')
    expect(spool.held.total).toBe(small.bytes.length)
    isFull = false
    await spool.commit(idOf(small))
    await spool[Symbol.asyncDispose]()
    expect(released).toBe(1)
  })

  test('reads no further than what is held', async () => {
    const spool = await open()
    await spool.write(100, [small.bytes.subarray(100, 200)])
    const into = Buffer.alloc(1000)
    expect([await spool.read(into, 0), await spool.read(into, 150), await spool.read(into, 200)]).toEqual([0, 50, 0])
    expect(into.subarray(0, 50).equals(small.bytes.subarray(150, 200))).toBe(true)
    await spool.drop()
    await spool[Symbol.asyncDispose]()
  })

  test('a journal grows with what is held, not with how it came', async () => {
    const spool = await open({ size: 32 * MiB })
    const chunk = Buffer.alloc(64 * 1024)
    for (let position = 0; position < 32 * MiB; position += chunk.length) await spool.write(position, [chunk])
    await spool[Symbol.asyncDispose]()
    const journal = await readFile(at('journal'), 'utf8')
    expect(journal.length).toBeLessThan(4_000)
    expect(journal.split('\n').at(-2)).toContain(`[[0,${32 * MiB}]]`)
  })

  test('a journal that cannot be written costs a resume and nothing else', async () => {
    const spool = await open({ journalPath: at('none/journal'), size: 2 * MiB })
    const bytes = Buffer.alloc(2 * MiB)
    await spool.write(0, [bytes])
    await until(() => log.events.includes('spool.journal'), 'the warning')
    expect(await spool.commit(idOf(small))).toMatchObject({ size: 2 * MiB })
    await spool[Symbol.asyncDispose]()
  })
})
