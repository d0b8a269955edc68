import { mkdir, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  fileFault,
  makeFolder,
  moveDurably,
  readBootId,
  readSmallFile,
  removeFile,
  setTimes,
  statFile,
  walk,
  writeDurably,
} from '../../../src/system/files.ts'
import { faultOf } from '../../kit/bytes.ts'
import { filesBelow } from '../../kit/disk.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

let folder: TempFolder
beforeEach(async () => {
  folder = await tempFolder()
})
afterEach(() => folder[Symbol.asyncDispose]())
const at = (...names: string[]) => join(folder.path, ...names)

describe('writing', () => {
  test('replaces the whole file, for its owner alone, and leaves nothing beside it', async () => {
    await writeFile(at('file'), 'a much longer content')
    await writeDurably(at('file'), 'new')
    expect(await readFile(at('file'), 'utf8')).toBe('new')
    expect((await stat(at('file'))).mode & 0o777).toBe(0o600)
    expect(await filesBelow(folder.path)).toEqual(['file'])
  })

  test('leaves the old content when it fails', async () => {
    await mkdir(at('file'))
    await writeFile(at('file', 'inside'), 'old')
    expect(await faultOf(writeDurably(at('file'), 'new'))).toBe('disk-failed')
    expect(await filesBelow(folder.path)).toEqual(['file/inside'])
    expect(await faultOf(writeDurably(at('none', 'file'), 'new'))).toBe('disk-failed')
  })

  test('makes folders down to the last, for their owner alone', async () => {
    await makeFolder(at('a', 'b', 'c'))
    await makeFolder(at('a', 'b', 'c'))
    expect((await stat(at('a'))).mode & 0o777).toBe(0o700)
    await writeFile(at('file'), '')
    expect(await faultOf(makeFolder(at('file', 'below')))).toBe('disk-failed')
  })

  test('moves over what is there', async () => {
    await writeFile(at('from'), 'new')
    await writeFile(at('to'), 'old')
    await moveDurably(at('from'), at('to'))
    expect(await readFile(at('to'), 'utf8')).toBe('new')
    expect(await faultOf(moveDurably(at('from'), at('to')))).toBe('disk-failed')
  })
})

describe('missing is a value', () => {
  test('for files and for paths below a file', async () => {
    await writeFile(at('file'), '12345')
    for (const path of [at('none'), at('none', 'below'), at('file', 'below')]) {
      expect(await removeFile(path)).toBe(false)
      expect(await readSmallFile(path, 10)).toBeUndefined()
      expect(await statFile(path)).toBeUndefined()
      expect(await setTimes(path, 1000)).toBe(false)
    }
    expect(await statFile(folder.path), 'a folder is no file').toBeUndefined()
    expect(await removeFile(at('file'))).toBe(true)
  })

  test('a small file past its limit is not read', async () => {
    await writeFile(at('file'), '12345')
    expect((await readSmallFile(at('file'), 5))?.toString()).toBe('12345')
    expect(await faultOf(readSmallFile(at('file'), 4))).toBe('too-large')
  })

  test('times are set and read in milliseconds', async () => {
    await writeFile(at('file'), '12345')
    expect(await setTimes(at('file'), 1_780_000_000_123)).toBe(true)
    expect(await statFile(at('file'))).toMatchObject({ size: 5, changedAt: 1_780_000_000_123 })
  })

  test('holes take no space on disk', async () => {
    await writeFile(at('file'), '')
    const { truncate } = await import('node:fs/promises')
    await truncate(at('file'), 10_000_000)
    expect(await statFile(at('file'))).toMatchObject({ size: 10_000_000, onDisk: 0 })
  })
})

describe('walking', () => {
  test('finds every file once and follows no link', async () => {
    const names = ['a', 'b/c', 'b/d/e', 'b/d/f']
    for (const name of names) {
      await mkdir(dirname(at(name)), { recursive: true })
      await writeFile(at(name), '')
    }
    await symlink(folder.path, at('b', 'loop'))
    await symlink('/etc/hostname', at('outside'))
    const found: string[] = []
    for await (const name of walk(folder.path)) found.push(name)
    expect(found.sort()).toEqual(names)
  })

  test('where nothing is, nothing is found; where there is no folder, that is a fault or nothing', async () => {
    const found: string[] = []
    for await (const name of walk(at('none'))) found.push(name)
    expect(found).toEqual([])
  })
})

describe('what the system says', () => {
  const failing = (code: string) => Object.assign(new Error(`${code}: it did not work, write 'x'`), { code })
  test.each([
    ['ENOSPC', 'disk-full'],
    ['EDQUOT', 'disk-full'],
    ['EIO', 'disk-failed'],
    ['EACCES', 'disk-failed'],
  ])('%s is %s', (code, want) => {
    const fault = fileFault(failing(code), '/store/x')
    expect(fault).toMatchObject({ code: want, details: { path: '/store/x' } })
    expect(fileFault(fault, 'elsewhere')).toBe(fault)
  })

  test('the boot id is the same each time; where there is none, never', async () => {
    expect(await readBootId()).toBe(await readBootId())
    expect(await readBootId(at('none'))).not.toBe(await readBootId(at('none')))
    await writeFile(at('id'), 'not an id')
    expect(await readBootId(at('id'))).not.toBe(await readBootId(at('id')))
  })
})
