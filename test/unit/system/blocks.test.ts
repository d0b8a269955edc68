import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blockBytes, createBlocks } from '../../../src/system/blocks.ts'
import { type OpenFile, openFile } from '../../../src/system/open-file.ts'
import { seededBytes } from '../../kit/blobs.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

expectNoLeaks()

describe('blocks', () => {
  const content = Buffer.from(seededBytes(3 * blockBytes + 1000, 'blocks'))
  let folder: TempFolder
  let opened: OpenFile
  let file: OpenFile
  let reads: [position: number, length: number][]

  beforeEach(async () => {
    folder = await tempFolder()
    await writeFile(join(folder.path, 'file'), content)
    opened = (await openFile(join(folder.path, 'file'), 'read'))!
    reads = []
    file = {
      ...opened,
      read(into, length, position) {
        reads.push([position, length])
        return opened.read(into, length, position)
      },
    }
  })
  afterEach(async () => {
    await opened.close()
    await folder[Symbol.asyncDispose]()
  })

  test('are read once however many want them at once, and are the bytes of the file', async () => {
    const blocks = createBlocks(4)
    const lent = await Promise.all(Array.from({ length: 20 }, () => blocks.borrow(file, 0, content.length)))
    for (const one of lent) expect(Buffer.from(one!.bytes).equals(content.subarray(0, blockBytes))).toBe(true)
    expect(reads).toEqual([[0, blockBytes]])
  })

  test('give a walk through the file every byte, the last block short', async () => {
    const blocks = createBlocks(1)
    const parts: Buffer[] = []
    for (let at = 0; at < content.length; ) {
      const lent = await blocks.borrow(file, at, content.length)
      parts.push(Buffer.from(lent!.bytes))
      at += lent!.bytes.length
      lent!.release()
    }
    expect(Buffer.concat(parts).equals(content)).toBe(true)
  })

  test('grow with what may be shown, and never show more', async () => {
    const blocks = createBlocks(4)
    const first = await blocks.borrow(file, 0, 1000)
    expect(first!.bytes.length).toBe(1000)
    const more = await blocks.borrow(file, 1000, 5000)
    expect(Buffer.from(more!.bytes).equals(content.subarray(1000, 5000))).toBe(true)
    expect((await blocks.borrow(file, 0, 300))!.bytes.length).toBe(300)
    expect(reads).toEqual([
      [0, 1000],
      [1000, 4000],
    ])
  })

  test('are refused while all are lent, and are to be had again after', async () => {
    const blocks = createBlocks(2)
    const lent = [await blocks.borrow(file, 0, content.length), await blocks.borrow(file, blockBytes, content.length)]
    expect(await blocks.borrow(file, 2 * blockBytes, content.length)).toBeUndefined()
    lent[0]!.release()
    lent[0]!.release() // twice is once
    const third = await blocks.borrow(file, 2 * blockBytes, content.length)
    expect(Buffer.from(third!.bytes).equals(content.subarray(2 * blockBytes, 3 * blockBytes))).toBe(true)
    expect(Buffer.from(lent[1]!.bytes).equals(content.subarray(blockBytes, 2 * blockBytes))).toBe(true)
    expect(await blocks.borrow(file, 3 * blockBytes, content.length)).toBeUndefined()
  })

  test('leave to others what does not join on to what they hold', async () => {
    const blocks = createBlocks(4)
    await blocks.borrow(file, 5000, 6000)
    expect(await blocks.borrow(file, 0, 1000)).toBeUndefined()
    expect(await blocks.borrow(file, 7000, 8000)).toBeUndefined()
    expect((await blocks.borrow(file, 5500, 8000))!.bytes.length).toBe(500)
  })

  test('are kept for those who want much while half of them are lent', async () => {
    const blocks = createBlocks(4)
    const first = await blocks.borrow(file, 0, 1000)
    await blocks.borrow(file, blockBytes, blockBytes + 1000)
    expect(await blocks.borrow(file, 2 * blockBytes, 2 * blockBytes + 1000)).toBeUndefined()
    expect(await blocks.borrow(file, 2 * blockBytes, content.length)).toBeDefined()
    first!.release()
    expect(await blocks.borrow(file, 0, 1000)).toBeUndefined()
  })

  test('of a file that is forgotten are read again, and those lent stay as they were', async () => {
    const blocks = createBlocks(4)
    const before = await blocks.borrow(file, 0, content.length)
    blocks.forget(file)
    await writeFile(join(folder.path, 'file'), Buffer.alloc(content.length, 7))
    const after = await blocks.borrow(file, 0, content.length)
    expect(after!.bytes.every((byte) => byte === 7)).toBe(true)
    expect(Buffer.from(before!.bytes).equals(content.subarray(0, blockBytes))).toBe(true)
  })

  test('that cannot be read fail for all who wait, and are tried again', async () => {
    const blocks = createBlocks(4)
    const failing: OpenFile = { ...file, read: () => Promise.reject(new Error('no disk')) }
    const both = await Promise.allSettled([blocks.borrow(failing, 0, 10), blocks.borrow(failing, 0, 10)])
    expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect((await blocks.borrow(file, 0, 10))!.bytes.length).toBe(10)
  })
})
