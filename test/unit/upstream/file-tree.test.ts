import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import type { Source } from '../../../src/model/artifact.ts'
import type { UpstreamId } from '../../../src/model/reference.ts'
import { createFileTree } from '../../../src/upstream/file-tree.ts'
import { seededBytes } from '../../kit/blobs.ts'
import { holdings } from '../../kit/leaks.ts'
import { tempFolder } from '../../kit/temp-folder.ts'

const bytes = seededBytes(700_000, 'tree')
const signal = new AbortController().signal
const tree = createFileTree()
const sourceAt = (path: string): Source => ({
  url: pathToFileURL(path),
  via: 'lab.example' as UpstreamId,
  priority: 1,
  place: 'mirror',
})

async function withFile(name = 'blob') {
  const folder = await tempFolder()
  const path = join(folder.path, name)
  await writeFile(path, bytes)
  return { path, source: sourceAt(path), folder: folder.path, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() }
}

async function collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of body) parts.push(Buffer.from(part))
  return Buffer.concat(parts)
}

describe('a file', () => {
  test('is read whole', async () => {
    await using file = await withFile('a name with % and #')
    const answer = await tree.read(file.source, {}, signal)
    expect([answer.status, answer.total, answer.range]).toEqual([200, bytes.length, { start: 0, end: bytes.length }])
    expect((await collect(answer.body)).equals(bytes)).toBe(true)
  })

  test.each([
    ['a part from the middle', { start: 300_000, end: 300_010 }, 300_010],
    ['from somewhere to the end', { start: 699_990 }, 700_000],
    ['no further than its end', { start: 699_990, end: 800_000 }, 700_000],
  ])('is read %s', async (_, range, end) => {
    await using file = await withFile()
    const answer = await tree.read(file.source, { range }, signal)
    expect([answer.status, answer.total, answer.range]).toEqual([206, bytes.length, { start: range.start, end }])
    expect((await collect(answer.body)).equals(bytes.subarray(range.start, end))).toBe(true)
  })

  test('is read no further once nobody wants it', async () => {
    await using file = await withFile()
    const control = new AbortController()
    const { body } = await tree.read(file.source, {}, control.signal)
    let seen = 0
    const reading = (async () => {
      for await (const part of body) {
        seen += part.length
        control.abort(new Error('stopped'))
      }
    })()
    await expect(reading).rejects.toThrow('stopped')
    expect(seen).toBeLessThan(bytes.length)
  })

  test('has nothing past its end', async () => {
    await using file = await withFile()
    const past = tree.read(file.source, { range: { start: bytes.length } }, signal)
    await expect(past).rejects.toMatchObject({ code: 'source-changed' })
  })

  test('that is not there is not found, and has no size', async () => {
    await using file = await withFile()
    const source = sourceAt(join(file.folder, 'other'))
    await expect(tree.read(source, {}, signal)).rejects.toMatchObject({ code: 'not-found' })
    expect(await tree.sizeAt(source, signal)).toBeUndefined()
    expect(await tree.sizeAt(file.source, signal)).toBe(bytes.length)
  })

  test('that is a folder is none', async () => {
    await using file = await withFile()
    await mkdir(join(file.folder, 'folder'))
    const source = sourceAt(join(file.folder, 'folder'))
    expect(await tree.sizeAt(source, signal)).toBeUndefined()
    await expect(tree.read(source, {}, signal)).rejects.toMatchObject({ code: 'not-found' })
  })

  test('is closed after its last byte, after a reader that left, and when nobody read at all', async () => {
    await using file = await withFile()
    const open = async () => (await holdings()).files.filter((path) => path === file.path)
    await collect((await tree.read(file.source, {}, signal)).body)
    for await (const _ of (await tree.read(file.source, {}, signal)).body) break
    await tree.read(file.source, {}, signal)
    expect(await open()).toEqual([])
  })
})
