import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { SqliteStore } from '../../../src/records/sqlite-store.ts'

describe('the SQLite store', () => {
  let db: DatabaseSync
  let store: SqliteStore
  beforeEach(() => {
    db = new DatabaseSync(':memory:')
    store = new SqliteStore(db)
  })
  afterEach(() => db.close())

  async function keys(namespace?: string): Promise<unknown[]> {
    const found: unknown[] = []
    for await (const [key] of store.iterator(namespace)) found.push(key)
    return found
  }

  test('a listing of many pages misses nothing that stays, whatever goes meanwhile', async () => {
    await store.setMany(Array.from({ length: 1_700 }, (_, at) => ({ key: `a:${String(at).padStart(5, '0')}`, value: '1' })))
    const seen: string[] = []
    for await (const [key] of store.iterator('a')) {
      seen.push(String(key))
      await store.delete(String(key))
      if (seen.length === 10) await store.set('a:99999', 'new')
    }
    expect(seen).toHaveLength(1_701)
    expect(await keys('a')).toEqual([])
  })

  test('a namespace is listed and cleared alone', async () => {
    for (const key of ['a:1', 'a:2', 'ab:1', 'a;1', 'b:1', 'a']) await store.set(key, 'x')
    expect(await keys('a')).toEqual(['a:1', 'a:2'])
    store.namespace = 'a'
    await store.clear()
    expect(await keys('ab')).toEqual(['ab:1'])
    store.namespace = undefined
    expect(await keys()).toEqual(['a', 'a;1', 'ab:1', 'b:1'])
    await store.clear()
    expect(await keys()).toEqual([])
  })

  test('of many that are put together all are there or none', async () => {
    const bad = { key: 'b', value: undefined as unknown as string }
    await expect(store.setMany([{ key: 'a', value: '1' }, bad])).rejects.toThrow()
    expect(await store.get('a')).toBeUndefined()
    await store.setMany([{ key: 'a', value: '1' }])
    expect(await store.getMany(['a', 'b'])).toEqual(['1', undefined])
    expect([await store.has('a'), await store.has('b')]).toEqual([true, false])
    expect([await store.deleteMany(['a', 'b']), await store.deleteMany(['a', 'b'])]).toEqual([true, false])
  })

  test('a key is what it is, quotes and all', async () => {
    for (const key of ["'; DROP TABLE keyv; --", '%', 'é', 'a\u0001b']) {
      await store.set(key, key)
      expect(await store.get(key)).toBe(key)
    }
  })
})
