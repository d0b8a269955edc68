import { mkdir, unlink, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createOpenBlobs, type OpenBlobs } from '../../../src/store/open-blobs.ts'
import { blobFile } from '../../../src/store/places.ts'
import { blob, type Content } from '../../kit/blobs.ts'
import { faultOf, idOf } from '../../kit/bytes.ts'
import { until } from '../../kit/disk.ts'
import { expectNoLeaks, holdings } from '../../kit/leaks.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

expectNoLeaks()

describe('open files of blobs', () => {
  let folder: TempFolder
  let now = 1_000
  let files: OpenBlobs
  let closing: string[] = []
  const contents = Array.from({ length: 6 }, (_, at) => blob(100 + at, `blob ${at}`))
  const [first, second, third] = contents as [Content, Content, Content]

  beforeEach(async () => {
    folder = await tempFolder()
    for (const { digest, bytes } of contents) {
      const path = blobFile(folder.path, idOf({ digest }))
      await mkdir(dirname(path), { recursive: true })
      await writeFile(path, bytes)
    }
    closing = []
    files = createOpenBlobs({ root: folder.path, now: () => now, maxFiles: 2, closing: ({ path }) => void closing.push(path) })
  })
  afterEach(async () => {
    files.close()
    await folder[Symbol.asyncDispose]()
  })

  const openFiles = async () => (await holdings()).files.filter((file) => file.startsWith(folder.path)).length
  const untilOpen = (count: number) => until(async () => (await openFiles()) === count, `${count} open files`)
  async function use(content: Content): Promise<void> {
    const opened = (await files.open(idOf(content)))!
    expect(opened.size).toBe(content.bytes.length)
    opened.release()
    opened.release()
  }

  test('stay open for the next reader, the least recently used closed first', async () => {
    await use(first)
    await use(second)
    await use(first)
    await use(third)
    await untilOpen(2)
    expect(files.peek(idOf(first))).toMatchObject({ size: first.bytes.length })
    expect(files.peek(idOf(second))).toBeUndefined()
  })

  test('many readers at once share one', async () => {
    const opened = await Promise.all(Array.from({ length: 20 }, () => files.open(idOf(first))))
    expect(await openFiles()).toBe(1)
    expect(opened.every((one) => one!.isShared())).toBe(true)
    for (const one of opened.slice(1)) one!.release()
    expect(opened[0]!.isShared()).toBe(false)
    opened[0]!.release()
  })

  test('are not closed under a reader', async () => {
    const reader = (await files.open(idOf(first)))!
    files.forget(idOf(first))
    await unlink(blobFile(folder.path, idOf(first)))
    for (const content of contents.slice(1)) await use(content)
    files.close()
    const into = Buffer.alloc(200)
    expect(await reader.file.read(into, 200, 0)).toBe(first.bytes.length)
    expect(closing).not.toContain(reader.file.path)
    reader.release()
    await untilOpen(0)
    expect(closing.filter((path) => path === reader.file.path)).toHaveLength(1)
    expect(await faultOf(reader.file.read(into, 200, 0))).toBe('internal')
  })

  test('that are forgotten are opened anew', async () => {
    await use(first)
    files.forget(idOf(first))
    expect(files.peek(idOf(first))).toBeUndefined()
    await writeFile(blobFile(folder.path, idOf(first)), 'other')
    const again = (await files.open(idOf(first)))!
    expect(again.size).toBe(5)
    again.release()
  })

  test('missing ones are not remembered as missing', async () => {
    const later = blob(7, 'later')
    expect(await files.open(idOf(later))).toBeUndefined()
    await mkdir(dirname(blobFile(folder.path, idOf(later))), { recursive: true })
    await writeFile(blobFile(folder.path, idOf(later)), later.bytes)
    await use(later)
  })

  test('that nobody asked for in a while are closed', async () => {
    now = 1_000
    await use(first)
    now = 5_000
    await use(second)
    files.sweep(5_000)
    await untilOpen(1)
    expect(files.peek(idOf(second))).toBeDefined()
  })

  test('once closed, none is kept', async () => {
    files.close()
    await use(first)
    await untilOpen(0)
  })
})
