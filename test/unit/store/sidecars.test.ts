import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Digest, parseDigest } from '../../../src/model/digest.ts'
import type { BlobFacts, NameFacts, TagFacts } from '../../../src/model/facts.ts'
import { parseFilePath, printReference, type Repository, type Tag, type UpstreamId } from '../../../src/model/reference.ts'
import type { Sidecars, TagPlace } from '../../../src/store/blob-store.ts'
import { createDiskStore } from '../../../src/store/disk-store.ts'
import { factsFile, nameFile, tagFile } from '../../../src/store/places.ts'
import { createSidecars } from '../../../src/store/sidecars.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { blob } from '../../kit/blobs.ts'
import { faultOf, idOf } from '../../kit/bytes.ts'
import { filesBelow } from '../../kit/disk.ts'
import { fingerprints, readOpenPgpFile } from '../../kit/openpgp.ts'
import { createRecordedLog, type RecordedLog } from '../../kit/recorded-log.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

describe('sidecars', () => {
  let folder: TempFolder
  let log: RecordedLog
  let sidecars: Sidecars
  const digest: Digest = parseDigest(`sha256:${'a'.repeat(64)}`)
  const tag: TagFacts = { digest, mediaType: 'a/b', size: 5, checkedAt: 1_000 }
  const facts: BlobFacts = { mediaType: 'a/b', repositories: ['hub/a'], isPublic: true, aliases: [], createdAt: 7 }
  const place = (repository: string, name: string): TagPlace => ({
    upstream: 'registry.example:5000' as UpstreamId,
    repository: repository as Repository,
    tag: name as Tag,
  })
  const id = idOf(blob(1))

  beforeEach(async () => {
    folder = await tempFolder()
    log = createRecordedLog()
    sidecars = createSidecars({ path: folder.path, log })
  })
  afterEach(() => folder[Symbol.asyncDispose]())

  async function tags(): Promise<Map<string, TagFacts>> {
    const found = new Map<string, TagFacts>()
    for await (const [at, facts] of sidecars.tags()) found.set(`${at.upstream}/${at.repository}:${at.tag}`, facts)
    return found
  }

  test('facts of a blob are read as they were written', async () => {
    expect(await sidecars.readBlob(id)).toBeUndefined()
    await sidecars.writeBlob(id, facts)
    await sidecars.writeBlob(id, { ...facts, isPublic: false })
    expect(await sidecars.readBlob(id)).toEqual({ ...facts, isPublic: false })
    expect(await filesBelow(folder.path)).toHaveLength(1)
  })

  test('tags are found again, also where one repository lies below another', async () => {
    await sidecars.writeTag(place('a', 'v1'), tag)
    await sidecars.writeTag(place('a/b', 'v1'), { ...tag, size: 6 })
    await sidecars.writeTag(place('a', 'V1'), { ...tag, size: 7 })
    expect(await tags()).toEqual(
      new Map([
        ['registry.example:5000/a:v1', tag],
        ['registry.example:5000/a/b:v1', { ...tag, size: 6 }],
        ['registry.example:5000/a:V1', { ...tag, size: 7 }],
      ]),
    )
    expect(await sidecars.removeTag(place('a', 'v1'))).toBe(true)
    expect(await sidecars.removeTag(place('a', 'v1'))).toBe(false)
    expect((await tags()).size).toBe(2)
  })

  test('a touch moves the time and nothing else', async () => {
    await sidecars.writeTag(place('a', 'v1'), tag)
    for (const checkedAt of [1_780_000_000_000, 5]) {
      await sidecars.touchTag(place('a', 'v1'), checkedAt)
      expect([...(await tags()).values()]).toEqual([{ ...tag, checkedAt }])
    }
  })

  test('a touch of a tag that is not there makes none', async () => {
    await sidecars.touchTag(place('a', 'v1'), 5)
    expect(await filesBelow(folder.path)).toEqual([])
  })

  test('a touch of a file laid out by somebody else is careful', async () => {
    const path = tagFile(folder.path, place('a', 'v1'))
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, JSON.stringify(tag, undefined, 2))
    await sidecars.touchTag(place('a', 'v1'), 77)
    expect([...(await tags()).values()]).toEqual([{ ...tag, checkedAt: 77 }])
    await writeFile(path, '{"checkedAt":1')
    await sidecars.touchTag(place('a', 'v1'), 78)
    expect(await readFile(path, 'utf8')).toBe('{"checkedAt":1')
  })

  test('damaged files are as good as absent, and said', async () => {
    await sidecars.writeBlob(id, facts)
    await sidecars.writeTag(place('a', 'v1'), tag)
    await sidecars.writeTag(place('a', 'v2'), tag)
    await writeFile(factsFile(folder.path, id), '{"media')
    await writeFile(tagFile(folder.path, place('a', 'v1')), Buffer.alloc(2 * 1024 * 1024, ' '))
    expect(await sidecars.readBlob(id)).toBeUndefined()
    expect([...(await tags()).keys()]).toEqual(['registry.example:5000/a:v2'])
    expect(log.events).toEqual(['sidecar.damaged', 'sidecar.damaged'])
  })

  test('a signature lies beside its blob until it is removed, with the blob or without', async () => {
    const signature = {
      armored: readOpenPgpFile('signed.txt.asc').trim(),
      by: 'site',
      keys: [fingerprints.site],
      keptAt: 5,
    } as const
    expect(await sidecars.readSignature(id)).toBeUndefined()
    await sidecars.writeSignature(id, signature)
    expect(await sidecars.readSignature(id)).toEqual(signature)
    expect(await sidecars.removeSignature(id)).toBe(true)
    await sidecars.writeSignature(id, signature)
    const store = await createDiskStore({ path: folder.path, clock: systemClock, log, bootId: 'boot' })
    await store.remove(id)
    await store.close()
    expect([await sidecars.readSignature(id), await filesBelow(folder.path)]).toEqual([undefined, []])
  })

  test('strangers among the files are passed over', async () => {
    await sidecars.writeTag(place('a', 'v1'), tag)
    await writeFile(`${tagFile(folder.path, place('a', 'v1'))}.swp`, '')
    await writeFile(`${folder.path}/refs/README`, '')
    expect((await tags()).size).toBe(1)
    expect(log.events).toEqual([])
  })

  describe('of names', () => {
    const file = (path: string): NameFacts => ({
      reference: { kind: 'file', upstream: 'data' as UpstreamId, path: parseFilePath(path) },
      claimed: undefined,
      id,
      size: 1,
      mediaType: 'a/b',
      validators: { etag: '"1"' },
      version: '"1"',
      urls: [],
      about: {},
      checkedAt: 1_000,
    })

    async function names(): Promise<Map<string, NameFacts>> {
      const found = new Map<string, NameFacts>()
      for await (const [key, facts] of sidecars.names()) found.set(key, facts)
      return found
    }

    test('are found again by the name in them, whatever it is', async () => {
      const all = ['x', 'a/x', `${'long/'.repeat(300)}x`, 'a%20b', 'A'].map(file)
      for (const facts of all) await sidecars.writeName(printReference(facts.reference), facts)
      expect(await names()).toEqual(new Map(all.map((facts) => [printReference(facts.reference), facts])))
      expect(await sidecars.removeName('data/x')).toBe(true)
      expect(await sidecars.removeName('data/x')).toBe(false)
      expect([...(await names()).keys()]).not.toContain('data/x')
    })

    test('are moved in time, and in nothing else, by a touch', async () => {
      await sidecars.writeName('data/x', file('x'))
      await sidecars.touchName('data/x', 1_780_000_000_000)
      await sidecars.touchName('data/y', 5)
      expect([...(await names()).values()]).toEqual([{ ...file('x'), checkedAt: 1_780_000_000_000 }])
    })

    test('that are damaged are passed over, and said', async () => {
      await sidecars.writeName('data/x', file('x'))
      await sidecars.writeName('data/y', file('y'))
      await writeFile(nameFile(folder.path, 'data/x'), '{"checkedAt":1,"reference":{"kind":"file","path":"../../x"}}')
      expect([...(await names()).keys()]).toEqual(['data/y'])
      expect(log.events).toEqual(['sidecar.damaged'])
    })
  })

  test('names are checked once more', async () => {
    expect(await faultOf(sidecars.writeTag(place('../../x', 'v1'), tag))).toBe('name-invalid')
    expect(await faultOf(sidecars.writeTag(place('a', '../x'), tag))).toBe('tag-invalid')
    expect(await faultOf(() => sidecars.readBlob('sha256:..' as typeof id))).toBe('digest-invalid')
  })
})
