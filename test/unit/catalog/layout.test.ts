import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { content, json } from '../../kit/blobs.ts'
import { idOf } from '../../kit/bytes.ts'
import { type Image, image, index, multiPlatform, sif } from '../../kit/images.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { asking, blobNamed, manifestNamed } from '../../kit/questions.ts'
import { type CatalogHouse, createCatalogHouse, readAll } from './catalog-house.ts'

expectNoLeaks()

const hexOf = (digest: string) => digest.slice('sha256:'.length)
const inLayout = (folder: string, ...images: readonly Image[]) =>
  [
    `${folder}/oci-layout`,
    `${folder}/index.json`,
    ...images
      .flatMap(({ manifest, blobs }) => [manifest, ...blobs])
      .map(({ digest }) => `${folder}/blobs/sha256/${hexOf(digest)}`),
  ].sort()

describe('the files of an image', () => {
  let house: CatalogHouse
  beforeEach(async () => {
    house = await createCatalogHouse()
  })
  afterEach(() => house[Symbol.asyncDispose]())

  const links = (pointer: string, platform?: string, repository?: string) =>
    house.catalog.imageLinks(manifestNamed(pointer, repository), platform, asking())
  const names = async (...asked: Parameters<typeof links>) => (await links(...asked)).files.map(({ name }) => name).sort()

  test('of one platform are an image layout, and no blob was fetched for it', async () => {
    const both = multiPlatform()
    house.hub.push('lab/tool', both, 'v1')
    const [amd, arm] = both.children as [Image, Image]
    expect(await names('v1', 'linux/amd64')).toEqual(inLayout('tool_v1', amd))
    expect(await names('v1', 'linux/arm64')).toEqual(inLayout('tool_v1', arm))
    expect(await names('v1', 'all')).toEqual(inLayout('tool_v1', both, amd, arm))
    expect(house.hub.asked.filter((question) => /^(blob|body)/.test(question))).toEqual([])
  })

  test('are told with size and sha256, and since when they are here', async () => {
    const app = image({ layers: [5000] })
    house.hub.push('lab/tool', app, 'v1')
    const { files, version, repository, digest } = await links('v1')
    expect([version, repository, digest]).toEqual(['v1', 'lab/tool', app.manifest.digest])
    const layer = files.find(({ id }) => id === idOf(app.blobs[1]!))
    expect(layer).toMatchObject({ size: 5000, digests: [app.blobs[1]!.digest], knownAt: 0, places: [], pieces: undefined })
    expect(files.find(({ id }) => id === idOf(app.manifest))!.knownAt).toBeGreaterThan(0)
  })

  test('that we make ourselves are held, the same for the same image, and may be pulled as its own', async () => {
    house.hub.push('lab/tool', image(), 'v1')
    const made = async () => (await links('v1')).files.filter(({ name }) => /(index\.json|oci-layout)$/.test(name))
    const [first, again] = [await made(), await made()]
    expect(again.map(({ id }) => id)).toEqual(first.map(({ id }) => id))
    for (const { id, size } of first) {
      const [reference] = await house.catalog.homes(id)
      expect((await readAll(house.catalog.open(reference!, asking()))).length).toBe(size)
    }
  })

  test('are found through indexes inside indexes', async () => {
    const inner = multiPlatform({ seed: 'inner' })
    house.hub.push('lab/tool', index([inner]), 'v1')
    expect(await names('v1', 'linux/arm64')).toEqual(inLayout('tool_v1', inner.children[1]!))
  })

  test('of a platform that is not there are none: the fault lists those that are', async () => {
    house.hub.push('lab/tool', multiPlatform(), 'v1')
    await expect(links('v1', 'windows/amd64')).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('linux/amd64, linux/arm64'),
    })
  })

  test('that two platforms share are listed once', async () => {
    const one = image({ seed: 'same', platform: { os: 'linux', architecture: 'amd64' } })
    const manifest = JSON.parse(one.manifest.bytes.toString())
    const other = json({ ...manifest, annotations: { a: 'b' } }, one.manifest.mediaType)
    house.hub.push('lab/tool', index([one, { ...one, manifest: other }]), 'v1')
    const all = await names('v1', 'all')
    expect(new Set(all).size).toBe(all.length)
  })

  test('of a SIF are the one file, named after the image', async () => {
    const tool = sif(7000)
    house.hub.push('lab/deep/tool-x', tool, '2.0')
    const { files, name } = await links('2.0', undefined, 'lab/deep/tool-x')
    expect([name, files.map((file) => [file.name, file.id])]).toEqual(['tool-x_2.0', [['tool-x_2.0.sif', tool.blobs[1]!.digest]]])
  })

  test('by digest are in a folder named by the digest', async () => {
    const app = image()
    house.hub.push('lab/tool', app, 'v1')
    const { files, version } = await links(app.manifest.digest)
    expect(version).toBeUndefined()
    expect(files.map(({ name }) => name).sort()).toEqual(inLayout(`tool_${hexOf(app.manifest.digest).slice(0, 12)}`, app))
  })

  test('of a tag with odd letters have plain names', async () => {
    house.hub.push('lab/tool', image(), '_odd--1.0_')
    for (const name of await names('_odd--1.0_')) expect(name).toMatch(/^tool__odd--1\.0_\//)
  })

  test('with a layer that only sha512 names are not told before it was fetched', async () => {
    const app = image({ layers: [100] })
    const layer = content(app.blobs[1]!.bytes, app.blobs[1]!.mediaType, 'sha512')
    const document = JSON.parse(app.manifest.bytes.toString())
    document.layers[0].digest = layer.digest
    const manifest = json(document, app.manifest.mediaType)
    house.hub.push('lab/tool', { ...app, manifest, blobs: [app.blobs[0]!, layer] }, 'v1')
    await expect(links('v1')).rejects.toMatchObject({ message: expect.stringContaining('known once it was fetched') })
    await readAll(house.catalog.open(blobNamed(layer.digest), asking()))
    await house.settled()
    const { files } = await links('v1')
    const file = files.find(({ digests }) => digests.length === 2)!
    expect([file.name, file.digests]).toEqual([
      `tool_v1/blobs/${layer.digest.replace(':', '/')}`,
      [app.blobs[1]!.digest, layer.digest],
    ])
  })
})
