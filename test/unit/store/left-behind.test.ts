import { unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createDiskStore, type DiskStore } from '../../../src/store/disk-store.ts'
import { spoolStem } from '../../../src/store/places.ts'
import { blob } from '../../kit/blobs.ts'
import { idOf, put } from '../../kit/bytes.ts'
import { filesBelow } from '../../kit/disk.ts'
import { createHandClock, type HandClock } from '../../kit/hand-clock.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { createRecordedLog } from '../../kit/recorded-log.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

expectNoLeaks()

describe('what a fill left behind', () => {
  const content = blob(100_000, 'left behind')
  let folder: TempFolder
  let clock: HandClock
  let store: DiskStore
  let stop: () => Promise<void>

  async function openStore(): Promise<void> {
    clock = createHandClock()
    store = await createDiskStore({ path: folder.path, clock, log: createRecordedLog(), bootId: 'boot' })
    stop = store.watch()
    await clock.asleep(2) // it has looked at the disk
  }

  async function closeStore(): Promise<void> {
    await stop()
    await store.close()
  }

  async function leave(key: string): Promise<void> {
    await using spool = await store.stage(key, content.bytes.length)
    await spool.write(0, [content.bytes.subarray(0, 50_000)])
  }

  const left = () => filesBelow(join(folder.path, 'spools'))

  beforeEach(async () => {
    folder = await tempFolder()
    await openStore()
  })
  afterEach(async () => {
    await closeStore()
    await folder[Symbol.asyncDispose]()
  })

  test('goes when its bytes come under another name', async () => {
    await leave(content.digest)
    expect(await left()).toHaveLength(2)
    await put(store, content, 'a name')
    expect(await left()).toEqual([])
  })

  test('goes then also where it could not be opened, and is not known', async () => {
    await writeFile(join(folder.path, 'spools', `${spoolStem(content.digest)}.part`), content.bytes.subarray(0, 50_000))
    await put(store, content, 'a name')
    expect(await left()).toEqual([])
  })

  test('stays where somebody goes on with it just then', async () => {
    const slow = await store.stage(content.digest, content.bytes.length)
    await slow.write(0, [content.bytes.subarray(0, 50_000)])
    await put(store, content, 'a name')
    await slow.write(50_000, [content.bytes.subarray(50_000)])
    await slow.commit(idOf(content))
    await slow[Symbol.asyncDispose]()
    expect(await left()).toEqual([])
  })

  test('goes at the next start where its bytes are held by then', async () => {
    await put(store, content)
    await leave(content.digest)
    await leave('of something else')
    await closeStore()
    await openStore()
    expect((await left()).length).toBe(2)
    await using other = await store.stage('of something else', content.bytes.length)
    expect(other.held.total).toBe(50_000)
  })

  test('goes at the next start where nobody can say any more of what it is', async () => {
    await leave('lost')
    const [journal] = (await left()).filter((name) => name.endsWith('.journal'))
    await closeStore()
    await unlink(join(folder.path, 'spools', journal!))
    await openStore()
    expect(await left()).toEqual([])
    expect(store.usage.reserved).toBe(0)
  })
})
