import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blob, MiB } from '../../kit/blobs.ts'
import { faultOf } from '../../kit/bytes.ts'
import { image } from '../../kit/images.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { lintMetalink } from '../../kit/metalink-lint.ts'
import { asking, blobNamed, manifestNamed } from '../../kit/questions.ts'
import { type CatalogHouse, createCatalogHouse, minute, readAll } from './catalog-house.ts'

expectNoLeaks()

const own = 'http://forebay.example'

describe('a metalink that the catalog writes', () => {
  let house: CatalogHouse
  const layer = blob(5 * MiB, 'written')
  beforeEach(async () => {
    house = await createCatalogHouse()
    house.hub.pushBlob('lab/tool', layer)
  })
  afterEach(() => house[Symbol.asyncDispose]())

  const write = (what: Parameters<typeof house.catalog.metalink>[0] = blobNamed(layer.digest), options = {}) =>
    house.catalog.metalink(what, options, asking())
  const dates = (text: string) => /<published>(.*?)<.*<updated>(.*?)</s.exec(text)!.slice(1)

  test('is free of lint, and names us as the only place', async () => {
    const { name, text } = await write()
    expect(lintMetalink(text, { own })).toEqual([])
    expect(name).toBe(layer.digest.slice(7))
    expect(text.match(/<url /g)).toHaveLength(1)
  })

  test('is the same text at another time, as long as nothing new is known', async () => {
    const cold = await write()
    await house.clock.advance(minute)
    expect(await write()).toEqual(cold)
    await readAll(house.catalog.open(blobNamed(layer.digest), asking()))
    await house.settled()
    const warm = await write()
    expect(warm.text).not.toBe(cold.text)
    await house.clock.advance(minute)
    expect(await write()).toEqual(warm)
    await house.restart()
    await house.clock.advance(minute)
    expect(await write()).toEqual(warm)
  })

  test('was published when the first of its files came, and updated when the last piece hashes did', async () => {
    const app = image({ layers: [5 * MiB, 1000] })
    house.hub.push('lab/tool', app, 'v1')
    const seconds = () => new Date(house.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
    const published = seconds()
    const first = await write(manifestNamed('v1'))
    expect(dates(first.text)).toEqual([published, published])
    await house.clock.advance(3 * minute)
    await readAll(house.catalog.open(blobNamed(app.blobs[2]!.digest), asking()))
    await house.settled()
    expect((await write(manifestNamed('v1'))).text).toBe(first.text)
    await readAll(house.catalog.open(blobNamed(app.blobs[1]!.digest), asking()))
    await house.settled()
    expect(dates((await write(manifestNamed('v1'))).text)).toEqual([published, seconds()])
  })

  test('moves what is said of links when a blob or its pieces become known', async () => {
    const before = house.catalog.linksVersion
    await write()
    expect(house.catalog.linksVersion).toBe(before)
    await readAll(house.catalog.open(blobNamed(layer.digest), asking()))
    await house.settled()
    expect(house.catalog.linksVersion).not.toBe(before)
  })

  test('begins its URLs with what the caller is known to reach us by', async () => {
    const { text } = await write(undefined, { own: 'https://other.example/below' })
    expect(text).toContain(`>https://other.example/below/blobs/sha256/${layer.digest.slice(7)}<`)
    expect(text).not.toContain(own)
  })

  test('of what nobody has is not found', async () => {
    const nothing = blob(10, 'nobody has it')
    expect(await faultOf(write(blobNamed(nothing.digest)))).toBe('not-found')
    expect(await faultOf(write(manifestNamed('none')))).toBe('not-found')
  })
})
