import { mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type KeyvRedis from '@keyv/redis'
import { Keyv, type KeyvStoreAdapter } from 'keyv'
import { Fault } from '../model/fault.ts'
import type { Table } from '../model/table.ts'
import { fileFault, folderMode } from '../system/files.ts'
import type { Logger } from '../system/log.ts'
import { createMemoryCache } from '../system/memory-cache.ts'
import { makeOwnFile } from './own-file.ts'
import type { Records } from './records.ts'
import { SqliteStore } from './sqlite-store.ts'

const rowsInMemory = 50_000
const marker = 'complete-3' // another number makes every index of an older shape be rebuilt

/**
 * Records over keyv: `sqlite:PATH` or `redis://…`.
 *
 * @throws Fault 'config-invalid' for another scheme, 'disk-failed' when the file cannot be made
 */
export async function createKeyvRecords({ url, log }: { url: string; log: Logger }): Promise<Records> {
  const backing = url.startsWith('sqlite:') ? openSqlite(url.slice('sqlite:'.length), log) : await openRedis(url, log)
  const table = <Value>(namespace: string): Table<Value> =>
    faulting(url, tableOver(new Keyv({ store: backing.store(namespace), namespace, throwOnErrors: true, emitErrors: false })))
  const state = table<{ marker: string }>('state')
  const isNew = (await state.get('records'))?.marker !== marker
  return {
    tags: table('tags'),
    names: table('names'),
    blobs: table('blobs'),
    members: table('members'),
    homes: table('homes'),
    aliases: table('aliases'),
    isNew,
    settled: () => state.put('records', { marker }),
    [Symbol.asyncDispose]: async () => backing.close(),
  }
}

interface Backing {
  store(namespace: string): KeyvStoreAdapter
  close(): void | Promise<void>
}

function openSqlite(path: string, log: Logger): Backing {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: folderMode })
  } catch (error) {
    throw fileFault(error, dirname(path))
  }
  const db = tryOpen(path) ?? reopenDamaged(path, log)
  return { store: () => new SqliteStore(db), close: () => db.close() }
}

/** Synchronous writes are off: after a crash of the machine the index may lag or break, and is rebuilt from the files. */
function tryOpen(path: string): DatabaseSync | undefined {
  let db: DatabaseSync | undefined
  try {
    makeOwnFile(path)
    db = new DatabaseSync(path, { timeout: 5000 })
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY')
    const [check] = db.prepare('PRAGMA quick_check(1)').all()
    if (check?.quick_check === 'ok') return db
  } catch (error) {
    if (!isDamage(error)) throw new Fault('disk-failed', { path, why: (error as Error).message }, { cause: error })
  }
  db?.close()
  return undefined
}

function isDamage(error: unknown): boolean {
  return /malformed|not a database|corrupt|disk image/i.test(error instanceof Error ? error.message : '')
}

function reopenDamaged(path: string, log: Logger): DatabaseSync {
  const aside = `${path}.damaged`
  rmSync(aside, { force: true })
  renameSync(path, aside)
  for (const suffix of ['-wal', '-shm']) rmSync(path + suffix, { force: true })
  log.warn('records.damaged', { path, movedTo: aside })
  const db = tryOpen(path)
  if (!db) throw new Fault('disk-failed', { path, why: 'a new database cannot be read back' })
  return db
}

async function openRedis(url: string, log: Logger): Promise<Backing> {
  if (!/^rediss?:\/\//.test(url)) {
    throw new Fault('config-invalid', {
      file: 'records.url',
      mistakes: [`"${url}" is neither sqlite:PATH nor redis://HOST:PORT/DB`],
    })
  }
  const { default: Redis } = await import('@keyv/redis') // here, as most sites need none of its megabytes
  const stores: KeyvRedis<unknown>[] = []
  return {
    store(namespace) {
      const store = new Redis<unknown>(url, { namespace, throwOnErrors: true })
      store.on('error', (error) => log.warn('records.redis', { error }))
      stores.push(store)
      return store as unknown as KeyvStoreAdapter
    },
    close: async () => {
      for (const store of stores) await store.disconnect()
    },
  }
}

/** A table that fails as a file does. @throws Fault 'disk-full', 'disk-failed' */
function faulting<Value>(url: string, table: Table<Value>): Table<Value> {
  const path = url.startsWith('sqlite:') ? url.slice('sqlite:'.length) : 'records' // a URL may have a password in it
  const asFault = (error: unknown) => {
    if (error instanceof Fault) return error
    const why = error instanceof Error ? error.message : String(error)
    if (/\bfull\b|EFBIG|ENOSPC|EDQUOT/.test(why)) return new Fault('disk-full', { path }, { cause: error })
    return new Fault('disk-failed', { path, why }, { cause: error })
  }
  const tried = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      throw asFault(error)
    }
  }
  return {
    get: (key) => tried(table.get(key)),
    put: (key, value) => tried(table.put(key, value)),
    putMany: (entries) => tried(table.putMany(entries)),
    delete: (key) => tried(table.delete(key)),
    async *entries(prefix) {
      try {
        yield* table.entries(prefix)
      } catch (error) {
        throw asFault(error)
      }
    },
    clear: () => tried(table.clear()),
  }
}

/** Reads go through a bounded memory, so that a hit asks the database nothing it asked before. */
function tableOver<Value>(keyv: Keyv<Value>): Table<Value> {
  const memory = createMemoryCache<string, { value: Value | undefined }>({ maxEntries: rowsInMemory })
  return {
    async get(key) {
      const known = memory.get(key)
      if (known) return known.value
      const value = await keyv.get<Value>(key)
      if (!memory.get(key)) memory.set(key, { value })
      return memory.get(key)?.value ?? value
    },
    async put(key, value) {
      memory.set(key, { value })
      await keyv.set(key, value)
    },
    async putMany(entries) {
      const rows = Array.from(entries, ([key, value]) => ({ key, value }))
      for (const { key, value } of rows) memory.set(key, { value })
      if (rows.length > 0) await keyv.setMany(rows)
    },
    async delete(key) {
      memory.set(key, { value: undefined })
      return keyv.delete(key)
    },
    async *entries(prefix = '') {
      for await (const [key, value] of keyv.iterator!(undefined)) if (key.startsWith(prefix)) yield [key, value]
    },
    async clear() {
      memory.clear()
      await keyv.clear()
    },
  }
}
