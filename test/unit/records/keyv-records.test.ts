import { chmod, mkdir, readdir, readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createKeyvRecords } from '../../../src/records/keyv-records.ts'
import { faultOf } from '../../kit/bytes.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { createRecordedLog, type RecordedLog } from '../../kit/recorded-log.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

expectNoLeaks()

describe('records in a file', () => {
  let folder: TempFolder
  let log: RecordedLog
  beforeEach(async () => {
    folder = await tempFolder()
    log = createRecordedLog()
  })
  afterEach(() => folder[Symbol.asyncDispose]())
  const path = () => join(folder.path, 'below', 'records.db')
  const open = () => createKeyvRecords({ url: `sqlite:${path()}`, log })

  async function fill(): Promise<void> {
    await using records = await open()
    await records.members.putMany(Array.from({ length: 2_000 }, (_, at) => [`key ${at}`, { size: at, mediaType: 'a/b' }]))
    await records.settled()
  }

  test('the folder is made, for its owner alone', async () => {
    await using records = await open()
    expect(records.isNew).toBe(true)
    expect((await stat(join(folder.path, 'below'))).mode & 0o777).toBe(0o700)
  })

  test('what is no database is put aside, and the index begins anew', async () => {
    await mkdir(join(folder.path, 'below'))
    await writeFile(path(), 'this is no database at all, however long it may be '.repeat(100))
    {
      await using records = await open()
      expect(records.isNew).toBe(true)
      await records.aliases.put('a', 'b')
      expect(await records.aliases.get('a')).toBe('b')
    }
    expect(await readFile(`${path()}.damaged`, 'utf8')).toContain('no database')
    expect(log.events).toEqual(['records.damaged'])
  })

  test('a database with damage inside is put aside too', async () => {
    await fill()
    const bytes = await readFile(path())
    bytes.fill(0xff, 5_000, bytes.length - 5_000)
    await writeFile(path(), bytes)
    await using records = await open()
    expect(records.isNew).toBe(true)
    expect(await records.members.get('key 7')).toBeUndefined()
  })

  test('a database cut short is put aside too', async () => {
    await fill()
    await truncate(path(), 10_000)
    await using records = await open()
    expect(records.isNew).toBe(true)
  })

  test('an index of another shape is rebuilt', async () => {
    await fill()
    const db = new DatabaseSync(path())
    db.exec(`UPDATE keyv SET value = '{"value":{"marker":"complete-0"}}' WHERE key = 'state:records'`)
    db.close()
    await using records = await open()
    expect(records.isNew).toBe(true)
  })

  test('a path that cannot be made is a fault that names it', async () => {
    await writeFile(join(folder.path, 'below'), 'a file')
    expect(await faultOf(open())).toBe('disk-failed')
    expect(await faultOf(createKeyvRecords({ url: `sqlite:${folder.path}`, log }))).toBe('disk-failed')
    expect((await stat(folder.path)).mode & 0o777).toBe(0o700)
  })

  test('nobody else can read it, also where an earlier version let everybody', async () => {
    const modes = async () => {
      const names = (await readdir(dirname(path()))).sort()
      const all = await Promise.all(names.map(async (name) => (await stat(join(dirname(path()), name))).mode & 0o777))
      return Object.fromEntries(names.map((name, at) => [name, all[at]]))
    }
    const own = { 'records.db': 0o600, 'records.db-shm': 0o600, 'records.db-wal': 0o600 }
    for (let time = 0; time < 2; time++) {
      await using _ = await open()
      expect(await modes()).toEqual(own)
      for (const name of Object.keys(own)) await chmod(join(dirname(path()), name), 0o644)
    }
  })

  test.each(['postgres://x', 'records.db', '', 'http://x'])('%j is no address of records', async (url) =>
    expect(await faultOf(createKeyvRecords({ url, log }))).toBe('config-invalid'),
  )

  test('a value read before goes by memory, so that a hit asks the database nothing', async () => {
    await fill()
    await using records = await open()
    await records.members.get('key 7')
    const other = new DatabaseSync(path())
    other.exec('DELETE FROM keyv')
    other.close()
    expect(await records.members.get('key 7')).toEqual({ size: 7, mediaType: 'a/b' })
    expect(await records.members.get('key 8')).toBeUndefined()
  })
})
