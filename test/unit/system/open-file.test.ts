import { readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type OpenFile, openFile } from '../../../src/system/open-file.ts'
import { seededBytes } from '../../kit/blobs.ts'
import { faultOf } from '../../kit/bytes.ts'
import { until } from '../../kit/disk.ts'
import { expectNoLeaks, holdings } from '../../kit/leaks.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

expectNoLeaks()

let folder: TempFolder
let file: OpenFile
const path = () => join(folder.path, 'file')

beforeEach(async () => {
  folder = await tempFolder()
  file = await openFile(path(), 'create')
})
afterEach(async () => {
  await file.close()
  await folder[Symbol.asyncDispose]()
})

const isOpen = async () => (await holdings()).files.some((name) => name.startsWith(folder.path))

test('chunks are written one after the other, wherever told', async () => {
  const bytes = seededBytes(3_000_000, 'x')
  await file.write([bytes.subarray(1_000_000)], 1_000_000)
  await file.write([bytes.subarray(0, 10), bytes.subarray(10, 10), bytes.subarray(10, 1_000_000)], 0)
  await file.write([], 0)
  expect((await readFile(path())).equals(bytes)).toBe(true)
  const into = Buffer.alloc(100)
  expect(await file.read(into, 50, 2_999_980)).toBe(20)
  expect(into.subarray(0, 20)).toEqual(bytes.subarray(2_999_980))
  expect(await file.read(into, 50, 3_000_000)).toBe(0)
})

test('more chunks than the kernel takes at once are all written', async () => {
  const chunks = Array.from({ length: 3_000 }, (_, at) => Buffer.from(String(at % 10)))
  await file.write(chunks, 0)
  expect(await readFile(path(), 'utf8')).toBe(chunks.join(''))
})

test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('a position of %d is not taken', async (position) => {
  expect(await faultOf(file.write([Buffer.from('x')], position))).toBe('internal')
  expect((await readFile(path())).length).toBe(0)
})

test('it stays open while somebody retains it or reads', async () => {
  await file.write([Buffer.alloc(1000, 1)], 0)
  const release = file.retain()
  const reading = file.read(Buffer.alloc(1000), 1000, 0)
  await file.close()
  await file.close()
  expect(await reading).toBe(1000)
  expect(await file.read(Buffer.alloc(10), 10, 0)).toBe(10)
  await unlink(path())
  expect(await isOpen()).toBe(true)
  release()
  release()
  await until(async () => !(await isOpen()), 'it closed')
  expect(await faultOf(file.read(Buffer.alloc(10), 10, 0))).toBe('internal')
  expect(await faultOf(() => file.retain())).toBe('internal')
})

test('a file opened to read cannot be written; one that is not there is undefined', async () => {
  const reader = (await openFile(path(), 'read'))!
  expect(await faultOf(reader.write([Buffer.from('x')], 0))).toBe('disk-failed')
  await reader.close()
  expect(await openFile(join(folder.path, 'none'), 'read')).toBeUndefined()
  expect(await openFile(join(path(), 'below'), 'write')).toBeUndefined()
  expect(await faultOf(openFile(folder.path, 'create'))).toBe('disk-failed')
})

test('its size can be cut and told, and it can be synced', async () => {
  await file.write([Buffer.alloc(1000, 1)], 0)
  await file.truncate(10)
  await Promise.all([file.sync(), file.syncData()])
  expect(await file.state()).toMatchObject({ size: 10 })
})
