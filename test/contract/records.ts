import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Digest, parseDigest } from '../../src/model/digest.ts'
import type { BlobFacts, TagFacts } from '../../src/model/facts.ts'
import type { Table } from '../../src/model/table.ts'
import type { Records } from '../../src/records/records.ts'

const digest = (letter: string): Digest => parseDigest(`sha256:${letter.repeat(64)}`)
const tag = (letter: string): TagFacts => ({ digest: digest(letter), mediaType: 'a/b', size: 7, checkedAt: 1_780_000_000_000 })

/** What an index of the store promises. `open` comes back to the same place until `clean`. */
export function recordsContract(name: string, place: () => { open: () => Promise<Records>; clean: () => Promise<void> }): void {
  describe(name, () => {
    let at: ReturnType<typeof place>
    let records: Records

    beforeEach(async () => {
      at = place()
      records = await at.open()
    })
    afterEach(async () => {
      await records[Symbol.asyncDispose]()
      await at.clean()
    })

    async function reopen(): Promise<void> {
      await records[Symbol.asyncDispose]()
      records = await at.open()
    }

    async function entries<V>(table: Table<V>, prefix?: string): Promise<Map<string, V>> {
      const found = new Map<string, V>()
      for await (const [key, value] of table.entries(prefix)) found.set(key, value)
      return found
    }

    test('what was put is there, also after closing', async () => {
      await records.tags.put('hub/a:1', tag('a'))
      expect(await records.tags.get('hub/a:1')).toEqual(tag('a'))
      await reopen()
      expect(await records.tags.get('hub/a:1')).toEqual(tag('a'))
      expect(await records.tags.get('hub/a:2')).toBeUndefined()
    })

    test('a value is replaced', async () => {
      await records.tags.put('hub/a:1', tag('a'))
      await records.tags.put('hub/a:1', tag('b'))
      await reopen()
      expect(await records.tags.get('hub/a:1')).toEqual(tag('b'))
      expect((await entries(records.tags)).size).toBe(1)
    })

    test('a key that was asked for before it was put is found afterwards', async () => {
      expect(await records.tags.get('hub/a:1')).toBeUndefined()
      await records.tags.put('hub/a:1', tag('a'))
      expect(await records.tags.get('hub/a:1')).toEqual(tag('a'))
      await records.tags.putMany([['hub/a:2', tag('b')]])
      expect(await records.tags.get('hub/a:2')).toEqual(tag('b'))
    })

    test('a question under way does not bring back what was there before a put', async () => {
      const asked = records.tags.get('hub/a:1')
      const put = records.tags.put('hub/a:1', tag('a'))
      await Promise.all([asked, put])
      expect(await records.tags.get('hub/a:1')).toEqual(tag('a'))
    })

    test('a deleted key is gone and says whether it was there', async () => {
      await records.aliases.put('sha512:x', 'one')
      expect(await records.aliases.delete('sha512:x')).toBe(true)
      expect(await records.aliases.get('sha512:x')).toBeUndefined()
      expect(await records.aliases.delete('sha512:x')).toBe(false)
      await reopen()
      expect(await records.aliases.get('sha512:x')).toBeUndefined()
    })

    test('optional fields come back as they were', async () => {
      const facts: BlobFacts & { size: number } = {
        mediaType: undefined,
        repositories: ['hub/a', 'quay.io/b/c'],
        isPublic: true,
        aliases: [parseDigest(`sha512:${'c'.repeat(128)}`)],
        createdAt: 5,
        size: 0,
      }
      await records.blobs.put(digest('a'), facts)
      await reopen()
      expect(await records.blobs.get(digest('a'))).toEqual(facts)
    })

    test('tables do not see each other', async () => {
      await records.tags.put('same', tag('a'))
      await records.members.put('same', { size: 1, mediaType: undefined })
      await records.tags.clear()
      expect(await records.tags.get('same')).toBeUndefined()
      expect(await entries(records.tags)).toEqual(new Map())
      expect(await records.members.get('same')).toMatchObject({ size: 1 })
      expect([...(await entries(records.members)).keys()]).toEqual(['same'])
    })

    test('many are put in one go and all of them are listed', async () => {
      const keys = Array.from({ length: 1_234 }, (_, at) => `hub/name-${at}@${digest('a')}`)
      await records.members.putMany(keys.map((key, at) => [key, { size: at, mediaType: 'a/b' }] as const))
      await records.members.putMany([])
      await reopen()
      expect([...(await entries(records.members)).keys()].sort()).toEqual(keys.sort())
      expect(await records.members.get(`hub/name-7@${digest('a')}`)).toEqual({ size: 7, mediaType: 'a/b' })
    })

    test('a listing can be narrowed by how keys begin', async () => {
      for (const key of ['hub/a:1', 'hub/a:2', 'hub/ab:1', 'quay/a:1']) await records.tags.put(key, tag('a'))
      expect([...(await entries(records.tags, 'hub/a:')).keys()].sort()).toEqual(['hub/a:1', 'hub/a:2'])
      expect(await entries(records.tags, 'none')).toEqual(new Map())
    })

    test('keys hold what they hold, separators and quotes included', async () => {
      const keys = ['a:b:c', 'a;b', 'é', "it's", '%', '*', 'a"b', ':', '::x', 'blobs']
      for (const key of keys) await records.tags.put(key, tag('a'))
      await reopen()
      for (const key of keys) expect(await records.tags.get(key), key).toEqual(tag('a'))
      expect([...(await entries(records.tags)).keys()].sort()).toEqual(keys.sort())
    })

    test('a table may be changed while it is listed', async () => {
      await records.members.putMany(Array.from({ length: 600 }, (_, at) => [`key ${at}`, { size: at, mediaType: undefined }]))
      let seen = 0
      for await (const [key] of records.members.entries()) {
        seen++
        await records.members.delete(key)
      }
      expect(seen).toBe(600)
      expect(await entries(records.members)).toEqual(new Map())
    })

    test('an index is new until it was settled', async () => {
      expect(records.isNew).toBe(true)
      await records.tags.put('hub/a:1', tag('a'))
      await reopen()
      expect(records.isNew, 'a start that broke off').toBe(true)
      await records.settled()
      await reopen()
      expect(records.isNew).toBe(false)
      await records.tags.clear()
      await reopen()
      expect(records.isNew, 'empty is not new').toBe(false)
    })
  })
}
