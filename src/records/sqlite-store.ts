import { EventEmitter } from 'node:events'
import type { DatabaseSync } from 'node:sqlite'
import type { KeyvStoreAdapter, StoredData } from 'keyv'

const pageRows = 500

/** A keyv store on Node's own SQLite: one table for all namespaces, keys as keyv prefixes them. */
export class SqliteStore extends EventEmitter implements KeyvStoreAdapter {
  readonly opts = { url: 'sqlite://', dialect: 'sqlite' }
  namespace: string | undefined
  readonly #db: DatabaseSync
  readonly #statements: ReturnType<typeof prepare>

  constructor(db: DatabaseSync) {
    super()
    this.#db = db
    db.exec('CREATE TABLE IF NOT EXISTS keyv (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT')
    this.#statements = prepare(db)
  }

  async get<Value>(key: string): Promise<StoredData<Value> | undefined> {
    return this.#statements.get.get(key)?.value as StoredData<Value> | undefined
  }

  async getMany<Value>(keys: string[]): Promise<Array<StoredData<Value | undefined>>> {
    return keys.map((key) => this.#statements.get.get(key)?.value as StoredData<Value | undefined>)
  }

  async set(key: string, value: string): Promise<boolean> {
    this.#statements.set.run(key, value)
    return true
  }

  async setMany(entries: Array<{ key: string; value: string }>): Promise<void> {
    this.#db.exec('BEGIN')
    try {
      for (const { key, value } of entries) this.#statements.set.run(key, value)
      this.#db.exec('COMMIT')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK') // a full disk has ended it already
      throw error
    }
  }

  async delete(key: string): Promise<boolean> {
    return Number(this.#statements.delete.run(key).changes) > 0
  }

  async deleteMany(keys: string[]): Promise<boolean> {
    return (await Promise.all(keys.map((key) => this.delete(key)))).some((isDeleted) => isDeleted)
  }

  async has(key: string): Promise<boolean> {
    return this.#statements.get.get(key) !== undefined
  }

  async clear(): Promise<void> {
    const [first, last] = this.#bounds(this.namespace)
    this.#statements.clear.run(first, last)
  }

  /** In pages, so that no statement stays open between two of them. */
  async *iterator<Value>(namespace?: string): AsyncGenerator<Array<string | Awaited<Value> | undefined>, void> {
    const [first, last] = this.#bounds(namespace ?? this.namespace)
    for (let after = first; ; ) {
      const rows = this.#statements.page.all(after, last, pageRows) as { key: string; value: string }[]
      for (const { key, value } of rows) yield [key, value as Awaited<Value>]
      if (rows.length < pageRows) return
      after = rows.at(-1)!.key
    }
  }

  async disconnect(): Promise<void> {}

  /** Keys of a namespace begin with its name and a colon; `;` is the character after it. */
  #bounds(namespace: string | undefined): [string, string] {
    return namespace === undefined ? ['', '\u{10ffff}'] : [`${namespace}:`, `${namespace};`]
  }
}

function prepare(db: DatabaseSync) {
  return {
    get: db.prepare('SELECT value FROM keyv WHERE key = ?'),
    set: db.prepare('INSERT INTO keyv (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value'),
    delete: db.prepare('DELETE FROM keyv WHERE key = ?'),
    clear: db.prepare('DELETE FROM keyv WHERE key > ? AND key < ?'),
    page: db.prepare('SELECT key, value FROM keyv WHERE key > ? AND key < ? ORDER BY key LIMIT ?'),
  }
}
