import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { createLastUse } from '../../../src/store/last-use.ts'
import { blobFile } from '../../../src/store/places.ts'
import { makeFolder, writeDurably } from '../../../src/system/files.ts'
import { blob } from '../../kit/blobs.ts'
import { idOf } from '../../kit/bytes.ts'
import { createRecordedLog } from '../../kit/recorded-log.ts'
import { tempFolder } from '../../kit/temp-folder.ts'

const [a, b] = [idOf(blob(1)), idOf(blob(2))]

test('uses are gathered, the later one counts, and a flush writes them to the files', async () => {
  await using folder = await tempFolder()
  const log = createRecordedLog()
  const uses = createLastUse({ root: folder.path, log })
  await makeFolder(dirname(blobFile(folder.path, a)))
  await writeDurably(blobFile(folder.path, a), 'x')
  uses.touch(a, 1_000)
  uses.touch(a, 2_000)
  uses.touch(b, 3_000) // whose file is gone
  expect([uses.of(a, 1_500), uses.of(a, 2_500), uses.of(b, 0)]).toEqual([2_000, 2_500, 3_000])
  await uses.flush()
  expect((await stat(blobFile(folder.path, a))).mtimeMs).toBe(2_000)
  expect([uses.of(a, 0), uses.of(b, 0)], 'nothing is gathered twice').toEqual([0, 0])
  expect(log.events).toEqual([])
})

test('a forgotten blob is not touched', async () => {
  await using folder = await tempFolder()
  const uses = createLastUse({ root: folder.path, log: createRecordedLog() })
  uses.touch(a, 1_000)
  uses.forget(a)
  expect(uses.of(a, 5)).toBe(5)
})

test('a disk that fails makes nothing grow and is told once a flush', async () => {
  await using folder = await tempFolder()
  const log = createRecordedLog()
  const uses = createLastUse({ root: `${folder.path}/\0`, log })
  uses.touch(a, 1_000)
  uses.touch(b, 1_000)
  await uses.flush()
  expect(log.lines).toMatchObject([{ level: 'warn', event: 'store.touch', fields: { failed: 2 } }])
  expect(uses.of(a, 0)).toBe(0)
})
