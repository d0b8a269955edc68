import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import keyvTestSuite, { keyvIteratorTests } from '@keyv/test-suite'
import { Keyv } from 'keyv'
import * as vitest from 'vitest'
import { createKeyvRecords } from '../../src/records/keyv-records.ts'
import { SqliteStore } from '../../src/records/sqlite-store.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createRecordedLog } from '../kit/recorded-log.ts'
import { hasRedis, type RedisServer, startRedis } from '../kit/redis.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { recordsContract } from './records.ts'

const { afterAll, beforeAll, describe, test } = vitest

expectNoLeaks()

recordsContract('records in SQLite', () => {
  const folder = tempFolder()
  const open = async () =>
    createKeyvRecords({ url: `sqlite:${join((await folder).path, 'records.db')}`, log: createRecordedLog() })
  return { open, clean: async () => (await folder)[Symbol.asyncDispose]() }
})

describe("keyv's own suite of the SQLite store", () => {
  const db = new DatabaseSync(':memory:')
  afterAll(() => db.close())
  const store = () => new SqliteStore(db)
  keyvTestSuite(vitest, Keyv, store)
  keyvIteratorTests(vitest, Keyv, store)
})

const given = process.env.FOREBAY_TEST_REDIS
if (!given && !hasRedis()) {
  test.skip('records in Redis: no redis-server here and FOREBAY_TEST_REDIS is not set', () => {})
} else {
  let server: RedisServer | undefined
  let count = 0
  beforeAll(async () => {
    if (!given) server = await startRedis()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  recordsContract('records in Redis', () => {
    const url = `${given ?? server!.url}/${count++ % 16}`
    const open = () => createKeyvRecords({ url, log: createRecordedLog() })
    const clean = async () => {
      await using records = await open()
      for (const table of [records.tags, records.blobs, records.members, records.aliases]) await table.clear()
    }
    return { open, clean }
  })
}
