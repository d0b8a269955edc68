import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Fault } from '../../../src/model/fault.ts'
import { digestOfBytes } from '../../kit/blobs.ts'
import { faultOf } from '../../kit/bytes.ts'
import { multiPlatform } from '../../kit/images.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { asking, hub, manifestNamed } from '../../kit/questions.ts'
import { type CatalogHouse, createCatalogHouse, negativeForMs, policy, quay, readAll, vault } from './catalog-house.ts'

expectNoLeaks()

describe('a manifest by digest', () => {
  let house: CatalogHouse
  const app = multiPlatform()
  const child = app.children[0]!
  const { digest } = app.manifest

  beforeEach(async () => {
    house = await createCatalogHouse()
    for (const upstream of [house.hub, house.quay, house.vault]) upstream.push('lab/tool', app, 'v1')
  })
  afterEach(() => house[Symbol.asyncDispose]())

  const open = (pointer: string, repository?: string, upstream = hub) =>
    house.catalog.open(manifestNamed(pointer, repository, upstream), asking())
  const read = async (...names: Parameters<typeof open>) => readAll(open(...names))

  test('is fetched once and never asked about again', async () => {
    expect((await read(digest)).equals(app.manifest.bytes)).toBe(true)
    await house.clock.advance(policy.freshForMs * 100)
    const again = await open(digest)
    expect(again).toMatchObject({ outcome: { kind: 'hit' }, artifact: { mediaType: app.manifest.mediaType, digests: [digest] } })
    await again.bytes[Symbol.asyncDispose]()
    expect(house.hub.asked).toEqual([`manifest ${digest}`])
  })

  test('is answered at once the second time, without a record being read', async () => {
    await read(digest)
    await read(digest)
    const opened = house.catalog.openAtOnce(manifestNamed(digest))
    expect(opened).toMatchObject({ from: 'memory', outcome: { kind: 'hit' } })
    expect(house.catalog.openAtOnce(manifestNamed(digest, 'lab/other'))).toBeUndefined()
    expect(house.catalog.openAtOnce(manifestNamed('v1'))).toBeUndefined()
  })

  test('many who ask at once are one question', async () => {
    const release = house.hub.hold()
    const all = Array.from({ length: 10 }, () => read(digest))
    await new Promise((go) => setImmediate(go))
    release()
    for (const bytes of await Promise.all(all)) expect(bytes.equals(app.manifest.bytes)).toBe(true)
    expect(house.hub.asked).toHaveLength(1)
  })

  test('a HEAD tells size and type, fetches no body it does not need, and agrees with GET', async () => {
    const head = await house.catalog.resolve(manifestNamed(digest), asking())
    const get = await open(digest)
    expect(head.artifact).toMatchObject({
      size: get.artifact.size,
      mediaType: get.artifact.mediaType,
      digests: get.artifact.digests,
    })
    await get.bytes[Symbol.asyncDispose]()
    expect(house.hub.asked).toHaveLength(1)
  })

  test('that a tag led to is here already', async () => {
    await read('v1')
    await read(digest)
    expect(house.hub.asked).toEqual(['tag v1'])
  })

  test('a sha512 name leads to the same bytes, also after the records were lost', async () => {
    const strong = { ...app.manifest, digest: digestOfBytes(app.manifest.bytes, 'sha512') }
    house.hub.pushManifest('lab/tool', strong)
    expect((await read(strong.digest)).equals(strong.bytes)).toBe(true)
    await house.restart({ lost: true })
    expect((await read(strong.digest)).equals(strong.bytes)).toBe(true)
    expect((await read(digest)).equals(strong.bytes)).toBe(true)
    expect(house.hub.asked).toHaveLength(1)
  })

  test('that is not there is not asked for again for a moment', async () => {
    const none = digestOfBytes(Buffer.from('none'))
    for (let at = 0; at < 3; at++) expect(await faultOf(open(none))).toBe('not-found')
    expect(house.hub.asked).toHaveLength(1)
    await house.clock.advance(negativeForMs + 1)
    expect(await faultOf(open(none))).toBe('not-found')
    expect(house.hub.asked).toHaveLength(2)
  })

  test('of a failing upstream fails, and is asked for anew', async () => {
    house.hub.fails = new Fault('upstream-status', { url: 'x', status: 503 })
    expect(await faultOf(open(digest))).toBe('upstream-status')
    house.hub.fails = undefined
    expect(await faultOf(read(digest))).toBeUndefined()
  })

  test('offline nobody is asked for it', async () => {
    house.policies.set(hub, { ...policy, isOffline: true })
    expect(await faultOf(open(digest))).toBe('not-found')
    expect(house.hub.asked).toEqual([])
  })

  describe('held here', () => {
    test('is given from one open upstream to another that anybody may read', async () => {
      await read(digest)
      expect((await read(digest, 'lab/other', quay)).equals(app.manifest.bytes)).toBe(true)
      expect(house.quay.asked).toEqual([])
    })

    test('from an upstream with credentials is given to nobody whose repository is not known to have it', async () => {
      await read(digest, 'lab/tool', vault)
      expect(await faultOf(open(digest, 'lab/other', hub))).toBe('not-found')
      expect(house.hub.asked).toEqual([`manifest ${digest}`])
      expect(await faultOf(open(digest, 'lab/other', vault))).toBe('not-found')
      expect((await read(digest, 'lab/tool', hub)).equals(app.manifest.bytes)).toBe(true)
    })

    test('from an open upstream is not given for one with credentials unless that has it', async () => {
      await read(digest)
      expect(await faultOf(open(digest, 'lab/other', vault))).toBe('not-found')
      expect(house.vault.asked).toHaveLength(1)
    })

    test("a child of a held index still has to be fetched, and then is its repository's", async () => {
      await read(digest, 'lab/tool', vault)
      expect((await read(child.manifest.digest, 'lab/tool', vault)).equals(child.manifest.bytes)).toBe(true)
      await house.restart({ lost: true })
      house.vault.asked.length = 0
      await read(child.manifest.digest, 'lab/tool', vault)
      expect(house.vault.asked).toEqual([])
    })
  })

  test('is answered also when the disk takes nothing', async () => {
    await rm(join(house.path, 'spools'), { recursive: true })
    await writeFile(join(house.path, 'spools'), 'in the way')
    expect((await read('v1')).equals(app.manifest.bytes)).toBe(true)
    expect((await read(digest)).equals(app.manifest.bytes)).toBe(true)
    expect(house.log.events).toContain('document.keep')
  })
})
