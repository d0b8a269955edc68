import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { memberKey } from '../../../src/catalog/knowledge.ts'
import type { Digest } from '../../../src/model/digest.ts'
import { blob, digestOfBytes } from '../../kit/blobs.ts'
import { faultOf, idOf, put } from '../../kit/bytes.ts'
import { filesBelow } from '../../kit/disk.ts'
import { type Image, image, index } from '../../kit/images.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { asking, blobNamed, hub, manifestNamed, tagNamed } from '../../kit/questions.ts'
import { type CatalogHouse, createCatalogHouse, minute, readAll } from './catalog-house.ts'
import { everythingOf } from './scripted-upstream.ts'

expectNoLeaks()

describe('freeing', () => {
  let house: CatalogHouse
  const shared = blob(4_000, 'shared', 'application/vnd.oci.image.layer.v1.tar+gzip')
  const one = image({ seed: 'one', layers: [1_000, 2_000] })
  const two = image({ seed: 'two', layers: [1_000] })

  beforeEach(async () => {
    house = await createCatalogHouse()
  })
  afterEach(() => house[Symbol.asyncDispose]())

  async function pull(pointer: string, repository?: string): Promise<void> {
    await house.catalog.get(manifestNamed(pointer, repository), asking())
  }
  async function held(): Promise<string[]> {
    const ids: string[] = []
    for await (const { id } of house.store.list()) ids.push(id)
    return ids.sort()
  }
  const digestsOf = (...images: readonly Image[]) =>
    [...new Set(images.flatMap(everythingOf).map(({ digest }) => digest as string))].sort()
  const sizeOf = (...images: readonly Image[]) => images.flatMap(everythingOf).reduce((sum, { bytes }) => sum + bytes.length, 0)

  test('a tag takes its image along, bytes, facts and name', async () => {
    house.hub.push('lab/tool', one, 'v1')
    house.hub.push('lab/tool', two, 'v2')
    await pull('v1')
    await pull('v2')
    const { removed, freed } = await house.catalog.remove(manifestNamed('v1'))
    expect(freed).toBe(sizeOf(one))
    expect([...removed].sort()).toEqual(['hub.example/lab/tool:v1', ...digestsOf(one)].sort())
    expect(await held()).toEqual(digestsOf(two))
    expect((await filesBelow(house.path)).filter((file) => file.includes(one.manifest.digest.slice(7)))).toEqual([])
    expect(await house.knowledge.tag(tagNamed('v1'))).toBeUndefined()
    expect((await house.catalog.images()).map(({ pointer }) => pointer)).toEqual(['v2'])
    await house.restart({ lost: true })
    expect((await house.catalog.images()).map(({ pointer }) => pointer)).toEqual(['v2'])
  })

  test('an image that another tag names stays', async () => {
    house.hub.push('lab/tool', one, 'v1', 'latest')
    await pull('v1')
    await pull('latest')
    expect(await house.catalog.remove(manifestNamed('v1'))).toEqual({ removed: ['hub.example/lab/tool:v1'], freed: 0 })
    expect(await held()).toEqual(digestsOf(one))
  })

  test('a layer that another image has stays', async () => {
    const [a, b] = ['a', 'b'].map((seed) => withLayer(image({ seed }), shared)) as [Image, Image]
    house.hub.push('lab/a', a, 'v1')
    house.hub.push('lab/b', b, 'v1')
    await pull('v1', 'lab/a')
    await pull('v1', 'lab/b')
    const { freed } = await house.catalog.remove(manifestNamed('v1', 'lab/a'))
    expect(freed).toBe(sizeOf(a) - shared.bytes.length)
    expect(await held()).toEqual(digestsOf(b))
    await house.catalog.remove(manifestNamed('v1', 'lab/b'))
    expect(await held()).toEqual([])
  })

  test('layers of an image went though an untagged index still named it', async () => {
    const both = index([one, two])
    house.hub.push('lab/tool', both)
    house.hub.push('lab/tool', one, 'v1')
    await pull(both.manifest.digest)
    await pull(two.manifest.digest)
    await pull('v1')
    expect(await house.catalog.remove(manifestNamed('v1'))).toEqual({ removed: ['hub.example/lab/tool:v1'], freed: 0 })
    expect(await held()).toEqual(digestsOf(both))
  })

  test('a layer went though another image named it by its sha512', async () => {
    const strong = { ...shared, digest: digestOfBytes(shared.bytes, 'sha512') }
    const [a, b] = [withLayer(image({ seed: 'a' }), strong), withLayer(image({ seed: 'b' }), shared)]
    house.hub.push('lab/a', a, 'v1')
    house.hub.push('lab/b', b, 'v1')
    await pull('v1', 'lab/a')
    await pull('v1', 'lab/b')
    await house.catalog.remove(manifestNamed('v1', 'lab/b'))
    expect(await held()).toContain(shared.digest)
    await house.catalog.remove(manifestNamed('v1', 'lab/a'))
    expect(await held()).toEqual([])
  })

  test('a digest takes its tags along', async () => {
    house.hub.push('lab/tool', one, 'v1', 'v2')
    await pull('v1')
    await pull('v2')
    const { removed } = await house.catalog.remove({ kind: 'digest', digest: one.manifest.digest })
    expect(removed.slice(0, 2)).toEqual(['hub.example/lab/tool:v1', 'hub.example/lab/tool:v2'])
    expect(await held()).toEqual([])
    expect(await house.knowledge.tag(tagNamed('v2'))).toBeUndefined()
  })

  test('what is not here is not found', async () => {
    expect(await faultOf(house.catalog.remove(manifestNamed('v1')))).toBe('not-found')
    for (const digest of [one.manifest.digest, digestOfBytes(shared.bytes, 'sha512')] as Digest[])
      expect(await faultOf(house.catalog.remove({ kind: 'digest', digest }))).toBe('not-found')
  })

  test('what was removed is fetched anew', async () => {
    house.hub.push('lab/tool', one, 'v1')
    await pull('v1')
    await readAll(house.catalog.open(manifestNamed(one.manifest.digest), asking()))
    await house.catalog.remove(manifestNamed('v1'))
    expect(house.catalog.openAtOnce(manifestNamed(one.manifest.digest))).toBeUndefined()
    await pull('v1')
    expect(await held()).toEqual(digestsOf(one))
  })

  describe('what nobody names', () => {
    test('goes: a blob without a word on it, and a spool that nobody came back for', async () => {
      house.hub.push('lab/tool', one, 'v1')
      await pull('v1')
      await put(house.store, blob(500, 'orphan'))
      {
        await using spool = await house.store.stage('left behind')
        await spool.write(0, [Buffer.alloc(1_000)])
      }
      await house.clock.advance(Math.max(0, Date.now() - house.clock.now()))
      const first = await house.catalog.gc()
      expect(first.removed).toEqual([blob(500, 'orphan').digest])
      expect(first.freed).toBe(500)
      await house.clock.advance(24 * 60 * minute + minute)
      expect((await house.catalog.gc()).removed).toEqual(['unfinished left behind'])
      expect(await held()).toEqual(digestsOf(one))
      expect((await filesBelow(house.path)).filter((file) => file.startsWith('spools/'))).toEqual([])
    })

    test('stays where a tag, an untagged manifest or its own repository names it', async () => {
      const both = index([one, two])
      house.hub.push('lab/tool', both, 'v1')
      house.hub.push('lab/other', one)
      house.hub.pushBlob('lab/tool', shared)
      await pull('v1')
      await pull(one.manifest.digest, 'lab/other')
      await readAll(house.catalog.open(blobNamed(shared.digest), asking()))
      await house.settled()
      const before = await held()
      expect(await house.catalog.gc()).toEqual({ removed: [], freed: 0 })
      expect(await held()).toEqual(before)
    })

    test('a record of bytes that are gone goes too', async () => {
      house.hub.push('lab/tool', one, 'v1')
      await pull('v1')
      const layer = one.blobs[1]!
      await house.store.remove(idOf(layer))
      await house.catalog.gc()
      expect(await house.knowledge.blob(idOf(layer))).toBeUndefined()
      expect(
        await house.records.members.get(memberKey({ upstream: hub, repository: manifestNamed('v1').repository }, layer.digest)),
      ).toBeDefined()
    })
  })
})

/** The image with one more layer. */
function withLayer(from: Image, layer: Image['blobs'][number]): Image {
  const manifest = JSON.parse(from.manifest.bytes.toString())
  manifest.layers.push({ mediaType: layer.mediaType, digest: layer.digest, size: layer.bytes.length })
  const bytes = Buffer.from(JSON.stringify(manifest))
  return { ...from, manifest: { ...from.manifest, bytes, digest: digestOfBytes(bytes) }, blobs: [...from.blobs, layer] }
}
