import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Fault } from '../../../src/model/fault.ts'
import { blob, type Content, digestOfBytes } from '../../kit/blobs.ts'
import { faultOf, idOf } from '../../kit/bytes.ts'
import { until } from '../../kit/disk.ts'
import { image } from '../../kit/images.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { asking, blobNamed, hub, manifestNamed } from '../../kit/questions.ts'
import { type CatalogHouse, createCatalogHouse, policy, quay, readAll, vault } from './catalog-house.ts'

expectNoLeaks()

describe('a blob', () => {
  let house: CatalogHouse
  const app = image({ layers: [300_000] })
  const layer = app.blobs[1]!
  const { digest } = layer

  beforeEach(async () => {
    house = await createCatalogHouse()
    for (const upstream of [house.hub, house.quay, house.vault]) upstream.push('lab/tool', app, 'v1')
  })
  afterEach(() => house[Symbol.asyncDispose]())

  const open = (repository?: string, upstream = hub, of: Pick<Content, 'digest'> = layer) =>
    house.catalog.open(blobNamed(of.digest, repository, upstream), asking())
  const read = (...where: Parameters<typeof open>) => readAll(open(...where))
  const head = (repository?: string, upstream = hub) => house.catalog.resolve(blobNamed(digest, repository, upstream), asking())

  test('is fetched once and then held', async () => {
    expect((await read()).equals(layer.bytes)).toBe(true)
    await house.settled()
    const again = await open()
    expect(again).toMatchObject({ outcome: { kind: 'hit' }, artifact: { size: 300_000 } })
    await again.bytes[Symbol.asyncDispose]()
    expect(house.hub.asked).toEqual([`blob ${digest}`, `body ${digest}`])
  })

  test('that a manifest named needs no question before its body', async () => {
    await readAll(house.catalog.open(manifestNamed('v1'), asking()))
    expect(await head()).toMatchObject({ artifact: { size: 300_000 }, outcome: { kind: 'miss' } })
    expect((await read()).equals(layer.bytes)).toBe(true)
    expect(house.hub.asked).toEqual(['tag v1', `body ${digest}`])
  })

  test('that is asked for by HEAD is not fetched', async () => {
    expect(await head()).toMatchObject({ artifact: { size: 300_000, digests: [digest] } })
    await head()
    expect(house.hub.asked).toEqual([`blob ${digest}`])
    expect(await house.store.stat(idOf(layer))).toBeUndefined()
  })

  test('many who ask at once ride on one fill', async () => {
    await head()
    const release = house.hub.hold()
    const opening = Array.from({ length: 10 }, () => open())
    await until(() => house.hub.asked.includes(`body ${digest}`), 'the body asked for')
    release()
    const all = await Promise.all(opening)
    expect(all.filter(({ outcome }) => outcome.kind === 'miss')).toHaveLength(1)
    expect(all.filter(({ outcome }) => outcome.kind === 'collapsed')).toHaveLength(9)
    for (const bytes of await Promise.all(all.map((one) => readAll(Promise.resolve(one)))))
      expect(bytes.equals(layer.bytes)).toBe(true)
    expect(house.hub.asked.filter((what) => what.startsWith('body'))).toHaveLength(1)
  })

  test('by its sha512 is found again, also by its sha256 and after the records were lost', async () => {
    const strong = { ...blob(5_000), digest: digestOfBytes(blob(5_000).bytes, 'sha512') }
    house.hub.pushBlob('lab/tool', strong)
    expect((await read(undefined, hub, strong)).equals(strong.bytes)).toBe(true)
    await house.settled()
    await house.restart({ lost: true })
    expect((await read(undefined, hub, strong)).equals(strong.bytes)).toBe(true)
    expect((await read(undefined, hub, blob(5_000))).equals(strong.bytes)).toBe(true)
    expect(house.hub.asked.filter((what) => what.startsWith('body'))).toHaveLength(1)
  })

  test('by its sha512 is not fetched again while what came is being written down', async () => {
    const strong = { ...blob(5_000), digest: digestOfBytes(blob(5_000).bytes, 'sha512') }
    house.hub.pushBlob('lab/tool', strong)
    const { writeBlob } = house.sidecars
    const [came, written] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    house.sidecars.writeBlob = async (...facts) => {
      came.resolve()
      await written.promise
      return writeBlob(...facts)
    }
    expect((await read(undefined, hub, strong)).equals(strong.bytes)).toBe(true)
    await came.promise
    const again = read(undefined, hub, strong)
    await house.clock.advance(0)
    written.resolve()
    expect((await again).equals(strong.bytes)).toBe(true)
    expect(house.hub.asked.filter((what) => what.startsWith('body'))).toHaveLength(1)
  })

  test('that is not there is not found, and what is broken says so', async () => {
    expect(await faultOf(open('lab/none'))).toBe('not-found')
    house.hub.fails = new Fault('upstream-status', { url: 'x', status: 500 })
    expect(await faultOf(open())).toBe('upstream-status')
    house.hub.fails = undefined
    expect((await read()).equals(layer.bytes)).toBe(true)
  })

  test('what is known of one just fetched is written down before the store closes', async () => {
    await read()
    await house.restart({ lost: true })
    expect(await house.knowledge.blob(idOf(layer))).toMatchObject({
      repositories: ['hub.example/lab/tool'],
      isPublic: true,
      size: 300_000,
    })
  })

  describe('held here', () => {
    test('is given to another repository of an open upstream without a question', async () => {
      await read()
      await house.settled()
      expect((await read('lab/other', quay)).equals(layer.bytes)).toBe(true)
      expect(house.quay.asked).toEqual([])
    })

    test('from an upstream with credentials costs a HEAD elsewhere, and no body', async () => {
      await read('lab/tool', vault)
      await house.settled()
      expect((await read()).equals(layer.bytes)).toBe(true)
      expect((await read()).equals(layer.bytes)).toBe(true)
      expect(house.hub.asked).toEqual([`blob ${digest}`])
    })

    test('is given to nobody whose repository has not got it', async () => {
      await read('lab/tool', vault)
      await house.settled()
      for (const upstream of [hub, vault]) {
        expect(await faultOf(open('lab/other', upstream))).toBe('not-found')
        expect(await faultOf(head('lab/other', upstream))).toBe('not-found')
      }
    })

    test('from an open upstream costs a HEAD at one with credentials', async () => {
      await read()
      await house.settled()
      expect(await faultOf(open('lab/other', vault))).toBe('not-found')
      house.vault.fails = new Fault('upstream-refused', { url: 'x', status: 403 })
      expect(await faultOf(open('lab/tool', vault))).toBe('upstream-refused')
    })

    test('is given while its upstream is away', async () => {
      await read()
      await house.settled()
      house.hub.fails = new Fault('upstream-unreachable', { url: 'x', why: 'ECONNREFUSED' })
      await house.restart()
      expect((await read()).equals(layer.bytes)).toBe(true)
      expect(await head()).toMatchObject({ outcome: { kind: 'hit' } })
    })
  })

  test('a fill that is under way is joined only by those who may read it', async () => {
    await house.catalog.resolve(blobNamed(digest, 'lab/tool', vault), asking())
    const release = house.vault.hold()
    const first = open('lab/tool', vault)
    await until(() => house.vault.asked.includes(`body ${digest}`), 'the body asked for')
    expect(await faultOf(open('lab/other', hub))).toBe('not-found')
    release()
    expect((await readAll(first)).equals(layer.bytes)).toBe(true)
  })

  test('offline nobody is asked: neither for the right nor for the bytes that a manifest named', async () => {
    await readAll(house.catalog.open(manifestNamed('v1'), asking()))
    house.policies.set(hub, { ...policy, isOffline: true })
    house.hub.asked.length = 0
    expect(await faultOf(open('lab/other'))).toBe('not-found')
    expect(await faultOf(open())).toBe('not-found')
    expect(await faultOf(head())).toBe('not-found')
    expect(house.hub.asked).toEqual([])
  })
})
