import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Fault } from '../../../src/model/fault.ts'
import { faultOf } from '../../kit/bytes.ts'
import { image } from '../../kit/images.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { asking, hub, manifestNamed, tool } from '../../kit/questions.ts'
import { type CatalogHouse, createCatalogHouse, negativeForMs, policy, quay } from './catalog-house.ts'

expectNoLeaks()

describe('lists', () => {
  let house: CatalogHouse
  const app = image()
  const away = new Fault('upstream-unreachable', { url: 'x', why: 'ECONNREFUSED' })

  beforeEach(async () => {
    house = await createCatalogHouse()
    house.hub.push('lab/tool', app, 'b', 'a', 'c')
  })
  afterEach(() => house[Symbol.asyncDispose]())

  const tags = (page: { n?: number; last?: string } = {}, more: Parameters<typeof asking>[0] = {}) =>
    house.catalog.tags(hub, tool, page, asking(more))
  const referrers = (filter?: string) => house.catalog.referrers(hub, tool, app.manifest.digest, filter, asking())

  test("of tags are the upstream's own, asked for once while they are fresh", async () => {
    expect(await tags()).toEqual({ tags: ['a', 'b', 'c'], next: undefined, outcome: { kind: 'miss' } })
    house.hub.push('lab/tool', app, 'd')
    expect(await tags()).toMatchObject({ tags: ['a', 'b', 'c'], outcome: { kind: 'hit' } })
    await house.clock.advance(policy.freshForMs)
    expect(await tags()).toMatchObject({ tags: ['a', 'b', 'c', 'd'], outcome: { kind: 'miss' } })
    expect((await tags({}, { revalidate: true })).outcome.kind).toBe('miss')
    expect(house.hub.asked).toHaveLength(3)
  })

  test('each page is its own', async () => {
    house.hub.pages = { tags: ['a'], next: { n: 1, last: 'a' } }
    expect(await tags({ n: 1 })).toMatchObject({ tags: ['a'], next: { n: 1, last: 'a' } })
    await tags({ n: 1, last: 'a' })
    expect(house.hub.asked).toEqual(['tags lab/tool 1', 'tags lab/tool 1 a'])
  })

  test('many who ask at once are one question', async () => {
    const release = house.hub.hold()
    const all = Array.from({ length: 5 }, () => tags())
    await new Promise((go) => setImmediate(go))
    release()
    expect((await Promise.all(all)).map(({ outcome }) => outcome.kind).sort()).toEqual([
      'collapsed',
      'collapsed',
      'collapsed',
      'collapsed',
      'miss',
    ])
    expect(house.hub.asked).toHaveLength(1)
  })

  test('are stale while the upstream fails', async () => {
    await tags()
    await house.clock.advance(policy.freshForMs)
    house.hub.fails = away
    expect(await tags()).toMatchObject({ tags: ['a', 'b', 'c'], outcome: { kind: 'stale', ageMs: policy.freshForMs } })
  })

  test('never asked for are made of what is held when the upstream is away', async () => {
    for (const tag of ['b', 'a']) await house.catalog.resolve(manifestNamed(tag), asking())
    house.hub.fails = away
    expect(await tags()).toMatchObject({ tags: ['a', 'b'], next: undefined, outcome: { kind: 'stale' } })
    expect(await tags({ n: 1 })).toMatchObject({ tags: ['a'], next: { n: 1, last: 'a' } })
    expect(await tags({ n: 1, last: 'a' })).toMatchObject({ tags: ['b'], next: undefined })
    expect(await tags({ n: 0 })).toMatchObject({ tags: [], next: undefined })
    expect(await faultOf(house.catalog.tags(hub, manifestNamed('a', 'lab/none').repository, {}, asking()))).toBe(
      'upstream-unreachable',
    )
  })

  test('offline are made of what is held', async () => {
    await house.catalog.resolve(manifestNamed('b'), asking())
    house.policies.set(hub, { ...policy, isOffline: true })
    house.hub.asked.length = 0
    expect(await tags()).toMatchObject({ tags: ['b'], outcome: { kind: 'stale' } })
    expect(house.hub.asked).toEqual([])
  })

  test('of a repository that is not there were believed for as long as a tag', async () => {
    const none = manifestNamed('a', 'lab/none').repository
    const ask = () => house.catalog.tags(hub, none, {}, asking())
    expect([await faultOf(ask()), await faultOf(ask())]).toEqual(['not-found', 'not-found'])
    expect(house.hub.asked).toHaveLength(1)
    house.hub.push('lab/none', app, 'v1')
    await house.clock.advance(negativeForMs)
    expect(await ask()).toMatchObject({ tags: ['v1'] })
  })

  test('of referrers are as the upstream gave them, byte for byte', async () => {
    house.hub.referrersOf = {
      document: Buffer.from('{ "manifests" : [] }'),
      mediaType: 'application/vnd.oci.image.index.v1+json',
      isFiltered: true,
    }
    expect(await referrers('a/b')).toMatchObject({ ...house.hub.referrersOf, outcome: { kind: 'miss' } })
    expect(await referrers('a/b')).toMatchObject({ outcome: { kind: 'hit' } })
    await referrers()
    expect(house.hub.asked).toHaveLength(2)
  })

  test('of referrers that an upstream has not got are not found', async () => {
    expect(await faultOf(referrers())).toBe('not-found')
  })

  test('of repositories are what is held, by page', async () => {
    house.quay.push('a/b', app, 'v1')
    for (const [upstream, repository] of [
      [hub, 'lab/tool'],
      [quay, 'a/b'],
      [hub, 'lab/tool'],
    ] as const)
      await house.catalog.get(manifestNamed(upstream === hub ? 'a' : 'v1', repository, upstream), asking())
    expect(await house.catalog.repositories({})).toEqual({ names: ['hub.example/lab/tool', 'quay.example/a/b'], more: false })
    expect(await house.catalog.repositories({ n: 1 })).toEqual({ names: ['hub.example/lab/tool'], more: true })
    expect(await house.catalog.repositories({ n: 1, last: 'hub.example/lab/tool' })).toEqual({
      names: ['quay.example/a/b'],
      more: false,
    })
  })
})
