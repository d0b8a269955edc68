import { readFile, rm, writeFile } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { factsFile } from '../../../src/store/places.ts'
import { idOf } from '../../kit/bytes.ts'
import { multiPlatform } from '../../kit/images.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { asking, blobNamed, hub, manifestNamed, tagNamed } from '../../kit/questions.ts'
import { type CatalogHouse, createCatalogHouse, readAll, vault } from './catalog-house.ts'

expectNoLeaks()

describe('records that were lost', () => {
  let house: CatalogHouse
  const app = multiPlatform({ layers: [3_000, 4_000] })

  beforeEach(async () => {
    house = await createCatalogHouse()
    house.hub.push('lab/tool', app, 'v1', 'v2')
    house.vault.push('lab/secret', app, 'v1')
    await house.catalog.get(manifestNamed('v1'), asking())
    await house.catalog.get(manifestNamed('v2'), asking())
    await house.catalog.get(manifestNamed('v1', 'lab/secret', vault), asking())
  })
  afterEach(() => house[Symbol.asyncDispose]())

  async function everything(): Promise<Record<string, unknown>> {
    const { tags, blobs, members, aliases } = house.records
    const all: Record<string, unknown> = {}
    for (const table of [tags, blobs, members, aliases]) for await (const [key, value] of table.entries()) all[key] = value
    return all
  }

  test('are as they were, from what lies on disk', async () => {
    const before = await everything()
    await house.restart({ lost: true })
    const after = await everything()
    expect(Object.keys(after).sort()).toEqual(Object.keys(before).sort())
    expect(after).toEqual(before)
    expect(house.log.events).toContain('records.rebuilt')
  })

  test('cost the upstream nothing', async () => {
    await house.restart({ lost: true })
    for (const upstream of [house.hub, house.vault]) upstream.asked.length = 0
    const { children } = app
    for (const [repository, upstream] of [
      ['lab/tool', hub],
      ['lab/secret', vault],
    ] as const) {
      const bytes = await readAll(house.catalog.open(manifestNamed('v1', repository, upstream), asking()))
      expect(bytes.equals(app.manifest.bytes)).toBe(true)
      await readAll(house.catalog.open(manifestNamed(children[0]!.manifest.digest, repository, upstream), asking()))
      for (const part of children[0]!.blobs)
        await readAll(house.catalog.open(blobNamed(part.digest, repository, upstream), asking()))
    }
    expect([house.hub.asked, house.vault.asked]).toEqual([[], []])
  })

  test('are not rebuilt when they are there', async () => {
    await house.restart()
    expect(house.log.events).not.toContain('records.rebuilt')
  })

  test('damaged and strange files cost what they said and nothing else', async () => {
    const damaged = app.children[0]!.blobs[1]!
    await writeFile(factsFile(house.path, idOf(damaged)), '{"mediaType":')
    await rm(factsFile(house.path, idOf(app.children[0]!.blobs[2]!)))
    await writeFile(factsFile(house.path, idOf(app.children[0]!.blobs[0]!)), await readFile('/proc/version'))
    await house.restart({ lost: true })
    expect(await house.knowledge.blob(idOf(damaged))).toBeUndefined()
    expect(await house.knowledge.tag(tagNamed('v1'))).toBeDefined()
    expect(await house.knowledge.member(blobNamed(damaged.digest), damaged.digest)).toMatchObject({ size: damaged.bytes.length })
    expect((await readAll(house.catalog.open(blobNamed(damaged.digest), asking()))).equals(damaged.bytes)).toBe(true)
  })
})
