import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BlobId } from '../../../src/model/digest.ts'
import { createDiskStore, type DiskStore } from '../../../src/store/disk-store.ts'
import { createHotStore } from '../../../src/store/hot-store.ts'
import { blob, MiB } from '../../kit/blobs.ts'
import { bytesOf, faultOf, idOf, put } from '../../kit/bytes.ts'
import { blobPath, filesBelow } from '../../kit/disk.ts'
import { createHandClock } from '../../kit/hand-clock.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { createRecordedLog, type RecordedLog } from '../../kit/recorded-log.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

expectNoLeaks()

const content = blob(20_000, 'quarantine')
const id = idOf(content)

describe('the quarantine', () => {
  let folder: TempFolder
  let log: RecordedLog
  let store: DiskStore
  let told: BlobId[]

  beforeEach(async () => {
    folder = await tempFolder()
    log = createRecordedLog()
    told = []
    store = await createDiskStore({
      path: folder.path,
      clock: createHandClock(),
      log,
      bootId: 'boot',
      quarantined: (id) => void told.push(id),
    })
  })
  afterEach(async () => {
    await store.close()
    await folder[Symbol.asyncDispose]()
  })

  test('takes what lies beside a blob from it', async () => {
    const { path } = await put(store, content)
    for (const suffix of ['.json', '.pieces', '.asc']) await writeFile(path + suffix, '{}')
    await store.quarantine(id, 'it is wrong')
    expect(await filesBelow(join(folder.path, 'blobs'))).toEqual([])
    expect(told).toEqual([id])
    expect(log.lines).toMatchObject([{ level: 'error', event: 'store.bad', fields: { digest: id, why: 'it is wrong' } }])
  })

  test('keeps a blob from everybody also where it cannot be moved there, until it came anew', async () => {
    await put(store, content)
    await bytesOf(store, content.digest)
    await writeFile(join(folder.path, 'quarantine'), 'in the way')
    expect(await faultOf(store.quarantine(id))).toBe('disk-failed')
    expect([await store.stat(id), await store.open(id)]).toEqual([undefined, undefined])
    for await (const _ of store.list()) expect.unreachable('it is listed')
    expect(told).toEqual([id])
    await put(store, content)
    expect((await bytesOf(store, content.digest))?.equals(content.bytes)).toBe(true)
  })

  test('gets what turns out to be wrong as it is read into memory', async () => {
    const hot = createHotStore({ store, now: () => 0, maxBytes: MiB })
    await put(store, content)
    await writeFile(await blobPath(folder.path, content.digest), Buffer.alloc(content.bytes.length))
    expect(await hot.open(id)).toBeUndefined()
    expect(told).toEqual([id])
    await put(store, content)
    expect((await bytesOf(hot, content.digest))?.equals(content.bytes)).toBe(true)
  })
})
