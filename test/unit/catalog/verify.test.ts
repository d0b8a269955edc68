import { readFile, truncate, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blob, type Content } from '../../kit/blobs.ts'
import { bytesOf, faultOf, idOf, put } from '../../kit/bytes.ts'
import { image } from '../../kit/images.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { asking, blobNamed, manifestNamed } from '../../kit/questions.ts'
import { type CatalogHouse, createCatalogHouse, readAll } from './catalog-house.ts'
import { everythingOf } from './scripted-upstream.ts'

expectNoLeaks()

describe('verifying', () => {
  let house: CatalogHouse
  const app = image({ layers: [5_000, 70_000] })
  const [layer, other] = [app.blobs[1]!, app.blobs[2]!]

  beforeEach(async () => {
    house = await createCatalogHouse()
    house.hub.push('lab/tool', app, 'v1')
    await house.catalog.get(manifestNamed('v1'), asking())
  })
  afterEach(() => house[Symbol.asyncDispose]())

  async function spoil(content: Content, how: 'flip' | 'shorten' | 'lengthen'): Promise<void> {
    const { path } = (await house.store.stat(idOf(content)))!
    const bytes = await readFile(path)
    if (how === 'flip') bytes[100] = bytes[100]! ^ 1
    if (how === 'shorten') return truncate(path, 100)
    await writeFile(path, how === 'lengthen' ? Buffer.concat([bytes, Buffer.from('x')]) : bytes)
  }

  test('good bytes are counted and stay', async () => {
    const all = everythingOf(app)
    const bytes = all.reduce((sum, content) => sum + content.bytes.length, 0)
    expect(await house.catalog.verify(undefined, asking())).toEqual({ checked: all.length, bytes, bad: [] })
    expect(await house.catalog.verify(manifestNamed('v1'), asking())).toEqual({ checked: all.length, bytes, bad: [] })
    expect(await house.catalog.verify(blobNamed(layer.digest), asking())).toMatchObject({ checked: 1 })
  })

  test.each(['flip', 'shorten', 'lengthen'] as const)(
    'after %s they are put aside, and fetched anew on the next ask',
    async (how) => {
      await spoil(layer, how)
      await house.restart()
      const { bad } = await house.catalog.verify(undefined, asking())
      expect(bad).toMatchObject([{ digest: layer.digest, movedTo: expect.stringContaining('quarantine') }])
      expect(bad[0]!.actual).not.toBe(layer.digest)
      expect((await readFile(bad[0]!.movedTo)).equals(layer.bytes)).toBe(false)
      expect(await house.store.stat(idOf(layer))).toBeUndefined()
      house.hub.asked.length = 0
      expect((await readAll(house.catalog.open(blobNamed(layer.digest), asking()))).equals(layer.bytes)).toBe(true)
      expect(house.hub.asked).toEqual([`body ${layer.digest}`])
      expect((await house.catalog.verify(undefined, asking())).bad).toEqual([])
    },
  )

  test('a bad manifest is not answered from memory any more', async () => {
    await readAll(house.catalog.open(manifestNamed(app.manifest.digest), asking()))
    await spoil(app.manifest, 'flip')
    expect((await house.catalog.verify(manifestNamed('v1'), asking())).bad).toHaveLength(1)
    expect(house.catalog.openAtOnce(manifestNamed(app.manifest.digest))).toBeUndefined()
    expect((await readAll(house.catalog.open(manifestNamed('v1'), asking()))).equals(app.manifest.bytes)).toBe(true)
  })

  test.each(['flip', 'shorten'] as const)(
    'by name tells of a manifest and of a layer after %s, read before or not',
    async (how) => {
      for (const content of [app.manifest, layer]) {
        await house.restart()
        await spoil(content, how)
        const { bad } = await house.catalog.verify(manifestNamed('v1'), asking())
        expect(bad.map(({ digest }) => digest)).toEqual([content.digest])
        await house.catalog.get(manifestNamed('v1'), asking())
      }
    },
  )

  test('of one blob touches no other', async () => {
    await spoil(other, 'flip')
    expect((await house.catalog.verify(blobNamed(layer.digest), asking())).bad).toEqual([])
    expect((await house.catalog.verify({ kind: 'digest', digest: other.digest }, asking())).bad).toHaveLength(1)
  })

  test('a blob that nobody named is checked too', async () => {
    const orphan = blob(1_000, 'orphan')
    await put(house.store, orphan)
    await spoil(orphan, 'flip')
    expect((await house.catalog.verify(undefined, asking())).bad).toHaveLength(1)
    expect(await bytesOf(house.store, orphan.digest)).toBeUndefined()
  })

  test('what is not here is not found; who leaves ends it', async () => {
    expect(await faultOf(house.catalog.verify(manifestNamed('none'), asking()))).toBe('not-found')
    expect(await faultOf(house.catalog.verify(blobNamed(blob(3).digest), asking()))).toBe('not-found')
    await expect(house.catalog.verify(undefined, asking({ signal: AbortSignal.abort(new Error('gone')) }))).rejects.toThrow(
      'gone',
    )
  })
})
