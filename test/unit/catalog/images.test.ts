import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { blob, digestOfBytes } from '../../kit/blobs.ts'
import { faultOf, idOf } from '../../kit/bytes.ts'
import { image, multiPlatform, sif } from '../../kit/images.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { asking, blobNamed, hub, manifestNamed } from '../../kit/questions.ts'
import { type CatalogHouse, createCatalogHouse, minute, policy, quay } from './catalog-house.ts'
import { everythingOf } from './scripted-upstream.ts'

expectNoLeaks()

let house: CatalogHouse
const app = multiPlatform({ layers: [1_000, 2_000] })
const [amd64, arm64] = app.children as [(typeof app.children)[0], (typeof app.children)[0]]
const single = image({ seed: 'single', layers: [3_000] })
const sizeOf = (of: typeof app) => everythingOf(of).reduce((sum, { bytes }) => sum + bytes.length, 0)

beforeEach(async () => {
  house = await createCatalogHouse()
  house.hub.push('lab/tool', app, 'v1')
  house.quay.push('lab/tool', single, 'v1', 'v2')
})
afterEach(() => house[Symbol.asyncDispose]())

const get = (pointer: string, upstream = hub, repository?: string) =>
  house.catalog.get(manifestNamed(pointer, repository, upstream), asking())
const names = async (pattern?: string) =>
  (await house.catalog.images(pattern)).map(({ upstream, repository, pointer }) => `${upstream}/${repository} ${pointer}`)

describe('images', () => {
  test('are listed with what is held of them and what is missing', async () => {
    await get('v1')
    await get('v1', quay)
    const [first, second, ...more] = await house.catalog.images()
    expect(more).toEqual([])
    expect(first).toEqual({
      kind: 'oci',
      name: 'hub.example/lab/tool:v1',
      upstream: 'hub.example',
      repository: 'lab/tool',
      pointer: 'v1',
      digest: app.manifest.digest,
      mediaType: app.manifest.mediaType,
      size: app.manifest.bytes.length + sizeOf(amd64),
      isPinned: false,
      missing: 1, // the other platform's manifest; what that names is not known here
      createdAt: house.clock.now(),
      lastUsed: house.clock.now(),
      checkedAt: house.clock.now(),
    })
    expect(second).toMatchObject({ upstream: 'quay.example', size: sizeOf(single), missing: 0 })
  })

  test('without a tag are listed by digest, once a repository, and not where an index or a tag leads to them', async () => {
    await get(arm64.manifest.digest)
    expect(await names()).toEqual([`hub.example/lab/tool ${arm64.manifest.digest}`])
    await get(app.manifest.digest)
    expect(await names()).toEqual([`hub.example/lab/tool ${app.manifest.digest}`])
    await get('v1')
    expect(await names()).toEqual(['hub.example/lab/tool v1'])
  })

  test('a tag that moved leaves the old one under its digest', async () => {
    await get('v1', quay)
    house.quay.push('lab/tool', app, 'v1')
    await house.clock.advance(policy.freshForMs)
    await get('v1', quay)
    expect(await names()).toEqual(['quay.example/lab/tool v1', `quay.example/lab/tool ${single.manifest.digest}`])
  })

  test.each([
    ['lab', ['hub.example/lab/tool v1', 'quay.example/lab/tool v1', 'quay.example/lab/tool v2']],
    ['quay', ['quay.example/lab/tool v1', 'quay.example/lab/tool v2']],
    ['quay.example/*:v2', ['quay.example/lab/tool v2']],
    ['*', ['hub.example/lab/tool v1', 'quay.example/lab/tool v1', 'quay.example/lab/tool v2']],
    ['lab*', []],
    ['quay?example*', []],
    ['(', []],
  ])('that fit %s', async (pattern, want) => {
    await get('v1')
    await get('v1', quay)
    await get('v2', quay)
    expect(await names(pattern)).toEqual(want)
  })

  test('whose manifest is gone are not listed', async () => {
    await get('v1', quay)
    await house.store.remove(idOf(single.manifest))
    expect(await names()).toEqual([])
  })
})

describe('inspecting', () => {
  test('tells everything known, and asks nobody', async () => {
    await get('v1')
    house.hub.asked.length = 0
    await house.clock.advance(policy.freshForMs + minute)
    const told = await house.catalog.inspect(manifestNamed('v1'))
    expect(told).toMatchObject({
      digest: app.manifest.digest,
      mediaType: app.manifest.mediaType,
      size: app.manifest.bytes.length,
      path: expect.stringContaining(app.manifest.digest.slice(7)),
      names: ['hub.example/lab/tool:v1', `hub.example/lab/tool@${app.manifest.digest}`],
      freshness: [{ name: 'hub.example/lab/tool:v1', state: 'stale' }],
    })
    const parts = told.parts.map(({ digest, isHeld, platform }) => [digest, isHeld, platform])
    expect(parts).toContainEqual([amd64.manifest.digest, true, 'linux/amd64'])
    expect(parts).toContainEqual([arm64.manifest.digest, false, 'linux/arm64'])
    expect(parts).toContainEqual([amd64.blobs[1]!.digest, true, undefined])
    expect(house.hub.asked).toEqual([])
  })

  test('a blob or a bare digest works too', async () => {
    await get('v1', quay)
    const layer = single.blobs[1]!
    for (const target of [blobNamed(layer.digest, 'lab/tool', quay), { kind: 'digest', digest: layer.digest } as const])
      expect(await house.catalog.inspect(target)).toMatchObject({
        size: 3_000,
        names: [`quay.example/lab/tool@${layer.digest}`],
        parts: [],
      })
  })

  test('what is not known is not found', async () => {
    expect(await faultOf(house.catalog.inspect(manifestNamed('v1')))).toBe('not-found')
    expect(await faultOf(house.catalog.inspect({ kind: 'digest', digest: blob(9).digest }))).toBe('not-found')
  })

  test('a name whose bytes are gone is told without a path', async () => {
    await get('v1', quay)
    await house.store.remove(idOf(single.manifest))
    expect(await house.catalog.inspect(manifestNamed('v1', 'lab/tool', quay))).toMatchObject({ path: undefined, parts: [] })
  })
})

describe('getting', () => {
  test('brings in what runs here, all of it, and answers with the manifest', async () => {
    const got = await get('v1')
    expect(got).toMatchObject({ id: app.manifest.digest, size: app.manifest.bytes.length, mediaType: app.manifest.mediaType })
    for (const content of everythingOf(amd64)) expect(await house.store.stat(idOf(content)), content.mediaType).toBeDefined()
    for (const content of everythingOf(arm64)) expect(await house.store.stat(idOf(content)), content.mediaType).toBeUndefined()
    house.hub.asked.length = 0
    await get('v1')
    expect(house.hub.asked).toEqual([])
  })

  test('of an image that is a SIF answers with the file', async () => {
    const file = sif(5_000)
    house.hub.push('lab/sif', file, 'v1')
    const got = await get('v1', hub, 'lab/sif')
    expect(got).toMatchObject({ id: file.blobs[1]!.digest, size: 5_000 })
    expect(got.path).toContain(file.blobs[1]!.digest.slice(7))
  })

  test('a blob is brought in by its name; a bare digest only told', async () => {
    const layer = single.blobs[1]!
    expect(await faultOf(house.catalog.get({ kind: 'digest', digest: layer.digest }, asking()))).toBe('not-found')
    expect(await house.catalog.get(blobNamed(layer.digest, 'lab/tool', quay), asking())).toMatchObject({
      id: layer.digest,
      size: 3_000,
    })
    expect(await house.catalog.get({ kind: 'digest', digest: layer.digest }, asking())).toMatchObject({ id: layer.digest })
  })

  test('a blob by its sha512 was not found just after it came', async () => {
    const content = blob(5_000)
    const strong = { ...content, digest: digestOfBytes(content.bytes, 'sha512') }
    house.hub.pushBlob('lab/tool', strong)
    expect(await house.catalog.get(blobNamed(strong.digest), asking())).toMatchObject({ id: content.digest })
  })

  test('fails where a part is missing upstream', async () => {
    house.quay.removeBlob('lab/tool', single.blobs[1]!.digest)
    expect(await faultOf(get('v1', quay))).toBeDefined()
    expect(await faultOf(get('none', quay))).toBe('not-found')
  })
})
