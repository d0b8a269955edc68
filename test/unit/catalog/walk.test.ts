import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ociIndex } from '../../../src/model/media-type.ts'
import { type Content, content, json } from '../../kit/blobs.ts'
import { idOf, put } from '../../kit/bytes.ts'
import { describe as descriptorOf, image, index } from '../../kit/images.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { type CatalogHouse, createCatalogHouse } from './catalog-house.ts'
import { everythingOf } from './scripted-upstream.ts'

expectNoLeaks()

describe('a walk', () => {
  let house: CatalogHouse
  beforeEach(async () => {
    house = await createCatalogHouse()
  })
  afterEach(() => house[Symbol.asyncDispose]())

  const below = async (of: Content) => (await house.walk.below(idOf(of), of.mediaType)).map(({ digest }) => digest)

  test('finds everything once, parents before children', async () => {
    const [one, two] = [image({ seed: 'one' }), image({ seed: 'two' })]
    const nested = index([index([one, two]), one])
    for (const part of new Map(everythingOf(nested).map((part) => [part.digest, part])).values()) await put(house.store, part)
    const found = await below(nested.manifest)
    expect([...found].sort()).toEqual(
      [
        ...new Set(
          everythingOf(nested)
            .slice(1)
            .map(({ digest }) => digest),
        ),
      ].sort(),
    )
    expect(found.indexOf(one.manifest.digest)).toBeLessThan(found.indexOf(one.blobs[0]!.digest))
  })

  test('goes on where a part is missing', async () => {
    const [one, two] = [image({ seed: 'one' }), image({ seed: 'two' })]
    const both = index([one, two])
    await put(house.store, both.manifest)
    await put(house.store, two.manifest)
    expect(await below(both.manifest)).toEqual([
      one.manifest.digest,
      two.manifest.digest,
      ...two.blobs.map(({ digest }) => digest),
    ])
  })

  test('ends, however deep indexes are nested', async () => {
    let at: Content = image().manifest
    for (let depth = 0; depth < 20; depth++) {
      await put(house.store, at)
      at = json({ schemaVersion: 2, mediaType: ociIndex, manifests: [descriptorOf(at)] }, ociIndex)
    }
    await put(house.store, at)
    expect((await below(at)).length).toBeLessThan(10)
  })

  test.each(['not json', '{"manifests":[{"digest":"../x"}]}', '{}'])('finds nothing in %s', async (text) => {
    const odd = content(Buffer.from(text), ociIndex)
    await put(house.store, odd)
    expect(await below(odd)).toEqual([])
  })

  test('a blob that is no manifest is not read', async () => {
    const layer = { ...image().manifest, mediaType: 'application/octet-stream' }
    await put(house.store, layer)
    expect(await below(layer)).toEqual([])
  })
})
