import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createDiskStore, type DiskStore } from '../../src/store/disk-store.ts'
import { takenBy } from '../../src/store/holdings.ts'
import { blobFile } from '../../src/store/places.ts'
import { blob } from '../kit/blobs.ts'
import { idOf, put } from '../kit/bytes.ts'
import { filesBelow } from '../kit/disk.ts'
import { createHandClock } from '../kit/hand-clock.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createRecordedLog } from '../kit/recorded-log.ts'
import { spoilSync } from '../kit/spoilt-syncs.ts'
import { type TempFolder, tempFolder } from '../kit/temp-folder.ts'

vi.mock('node:fs/promises', async (original) => {
  const { withSpoiltSyncs } = await import('../kit/spoilt-syncs.ts')
  return withSpoiltSyncs(await original())
})

expectNoLeaks()

const content = blob(100_000, 'half moved')
const id = idOf(content)
const one = { blobs: 1, bytes: takenBy(content.bytes.length), reserved: 0 }
const nothing = { blobs: 0, bytes: 0, reserved: 0 }

let folder: TempFolder
let store: DiskStore
beforeEach(async () => {
  folder = await tempFolder()
  store = await createDiskStore({ path: folder.path, clock: createHandClock(), log: createRecordedLog(), bootId: 'boot' })
})
afterEach(async () => {
  await store.close()
  await folder[Symbol.asyncDispose]()
})

const folderOfBlob = () => join(blobFile(folder.path, id), '..')

/** Commits it where its folder cannot be synced. */
async function putHalf(): Promise<void> {
  const spoilt = spoilSync(folderOfBlob())
  await expect(put(store, content)).rejects.toMatchObject({ code: 'disk-failed', message: expect.stringContaining('EIO') })
  spoilt.heal()
}

test('a blob that was renamed, and not durably, is there and counts', async () => {
  await putHalf()
  expect(await store.stat(id)).toMatchObject({ id, size: content.bytes.length })
  expect(store.usage).toMatchObject(one)
})

test('committed again it counts once', async () => {
  await putHalf()
  await put(store, content)
  expect(store.usage).toMatchObject(one)
  expect(await filesBelow(join(folder.path, 'spools'))).toEqual([])
})

test('removed it counts no more', async () => {
  await putHalf()
  expect(await store.remove(id)).toBe(true)
  expect(store.usage).toMatchObject(nothing)
})

test('one that was there already counts once, whether its folder can be synced or not', async () => {
  await put(store, content)
  await putHalf()
  expect(store.usage).toMatchObject(one)
})
