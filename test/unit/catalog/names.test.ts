import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Opened } from '../../../src/catalog/catalog.ts'
import { createPins } from '../../../src/catalog/pins.ts'
import type { BlobId } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import { printReference } from '../../../src/model/reference.ts'
import { blob, digestOfBytes, KiB, MiB } from '../../kit/blobs.ts'
import { faultOf } from '../../kit/bytes.ts'
import { filesBelow } from '../../kit/disk.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { asking, blobNamed, hub } from '../../kit/questions.ts'
import { type CatalogHouse, createCatalogHouse, data, minute, negativeForMs, policy, readAll, second } from './catalog-house.ts'
import { fileNamed } from './scripted-files.ts'

expectNoLeaks()

const one = blob(3000, 'one')
const two = blob(3000, 'two')
const longer = blob(4000, 'longer')
const large = blob(3 * MiB, 'large')
const x = fileNamed('d/x', data)
const key = printReference(x)
const down = new Fault('upstream-status', { url: 'https://files.example', status: 503 })

let house: CatalogHouse
beforeEach(async () => {
  house = await createCatalogHouse()
  house.files.put('d/x', { bytes: one.bytes, version: '"1"' })
})
afterEach(() => house[Symbol.asyncDispose]())

const openX = (more: Parameters<typeof asking>[0] = {}, reference = x) => house.catalog.open(reference, asking(more))
const readX = async (more: Parameters<typeof asking>[0] = {}, reference = x) =>
  digestOfBytes(await readAll(openX(more, reference)))
const facts = () => house.knowledge.name(key)
const bodies = () => house.files.asked.filter((what) => what.startsWith('body')).length

async function closed(opening: Promise<Opened>): Promise<Opened> {
  const opened = await opening
  await opened.bytes[Symbol.asyncDispose]()
  return opened
}

/** Brings it in, and waits until that is known of its name. */
async function brought(reference = x): Promise<void> {
  await house.catalog.get(reference, asking())
  await house.settled()
}

describe('a name', () => {
  test('is asked for once, known while it is fresh, and then confirmed', async () => {
    const kinds: string[] = []
    const told = async () => kinds.push((await house.catalog.told(x, asking())).outcome.kind)
    await told()
    await told()
    await house.clock.advance(policy.freshForMs)
    await told()
    await told()
    expect(kinds).toEqual(['miss', 'hit', 'revalidated', 'hit'])
    expect(house.files.asked).toEqual(['d/x', 'd/x?'])
  })

  test('has a digest once its bytes were here, and keeps it while it means the same', async () => {
    expect((await house.catalog.resolve(x, asking())).artifact.digests).toEqual([])
    await brought()
    expect(await facts()).toMatchObject({ id: one.digest, size: 3000 })
    await house.clock.advance(policy.freshForMs)
    await house.catalog.told(x, asking())
    expect(await facts()).toMatchObject({ id: one.digest })
    house.files.put('d/x', { bytes: two.bytes, version: '"2"' })
    await house.clock.advance(policy.freshForMs)
    expect((await house.catalog.resolve(x, asking())).artifact.digests).toEqual([])
    expect(await readX()).toBe(two.digest)
  })

  test('that is confirmed while its bytes come in does not lose what they are', async () => {
    await house.catalog.told(x, asking())
    const release = house.files.hold()
    const confirming = house.catalog.told(x, asking({ revalidate: true })) // of what is known before the bytes are here
    await brought()
    release()
    expect(await confirming).toMatchObject({ facts: { id: one.digest }, outcome: { kind: 'revalidated' } })
    expect(await facts()).toMatchObject({ id: one.digest })
    await house.restart({ lost: true })
    expect(await facts()).toMatchObject({ id: one.digest })
  })

  test('that is not there any more is forgotten, on disk too, and not asked for again at once', async () => {
    await brought()
    house.files.remove('d/x')
    await house.clock.advance(policy.freshForMs)
    expect(await faultOf(openX())).toBe('not-found')
    expect(await faultOf(openX())).toBe('not-found')
    expect(house.files.asked.filter((what) => what.startsWith('d/x'))).toHaveLength(2)
    expect(await facts()).toBeUndefined()
    expect((await filesBelow(house.path)).filter((file) => file.startsWith('names/'))).toEqual([])
    house.files.put('d/x', { bytes: two.bytes, version: '"2"' })
    await house.clock.advance(negativeForMs + 1)
    expect(await readX()).toBe(two.digest)
  })

  test('is served as last known while its upstream fails, bytes and all', async () => {
    await brought()
    house.files.fails = down
    await house.clock.advance(policy.freshForMs + minute)
    const { outcome, artifact } = await closed(openX())
    expect(outcome).toEqual({ kind: 'stale', ageMs: policy.freshForMs + minute, why: down.message })
    expect(artifact).toMatchObject({ digests: [one.digest], size: 3000, validators: { etag: '"1"' } })
    expect(await readX()).toBe(one.digest)
    await house.clock.advance(policy.staleIfErrorMs)
    expect(await faultOf(openX())).toBe('upstream-status')
  })

  test('of an upstream that is offline is what is held, and nobody is asked', async () => {
    await brought()
    house.files.asked.length = 0
    house.policies.set(data, { ...policy, isOffline: true })
    await house.clock.advance(10 * policy.freshForMs)
    expect(await readX()).toBe(one.digest)
    expect(await faultOf(openX({}, fileNamed('d/y', data)))).toBe('not-found')
    expect(house.files.asked).toEqual([])
  })

  test('of no upstream that gives files is none', async () => {
    expect(await faultOf(house.catalog.told(fileNamed('x', hub), asking()))).toBe('upstream-unknown')
  })
})

describe('the bytes behind a name', () => {
  test('are fetched once for all who ask, and not again', async () => {
    const got = await Promise.all(Array.from({ length: 10 }, () => readX()))
    expect(new Set(got)).toEqual(new Set([one.digest]))
    await house.settled()
    expect(await readX()).toBe(one.digest)
    expect(house.files.asked).toEqual(['d/x', 'body d/x'])
  })

  test('are asked of nobody where only what is held is wanted', async () => {
    expect(await faultOf(openX({ onlyIfHeld: true }))).toBe('not-held')
    expect(bodies()).toBe(0)
    await brought()
    expect(await readX({ onlyIfHeld: true })).toBe(one.digest)
  })

  test('that are claimed to be what is held already are not fetched', async () => {
    await brought()
    house.files.put('d/y', { bytes: one.bytes, version: '"7"', claimed: one.digest })
    expect(await readX({}, fileNamed('d/y', data))).toBe(one.digest)
    expect(bodies()).toBe(1)
  })

  test('that are claimed to be others are refused, and asked about from the start', async () => {
    house.files.put('d/x', { bytes: one.bytes, version: '"1"', claimed: two.digest })
    expect(await faultOf(openX())).toBe('corrupt')
    house.files.asked.length = 0
    house.files.put('d/x', { bytes: one.bytes, version: '"1"', claimed: one.digest })
    expect(await readX()).toBe(one.digest)
    expect(house.files.asked).toEqual(['d/x', 'body d/x']) // nothing to confirm: it said something wrong
    expect(house.log.events).toContain('name.doubted')
  })

  test.each([
    ['of the same size', two],
    ['of another size', longer],
  ])('that were replaced by others %s while the name was fresh are given as what they are', async (_, next) => {
    await house.catalog.told(x, asking())
    house.files.put('d/x', { bytes: next.bytes, version: '"2"' })
    const opening = openX()
    expect((await opening).artifact.validators).toEqual({ etag: '"2"' })
    expect(digestOfBytes(await readAll(opening))).toBe(next.digest)
    await house.settled()
    expect(await facts()).toMatchObject({ id: next.digest, validators: { etag: '"2"' } })
    house.files.put('d/x', { bytes: one.bytes, version: '"1"' })
    expect(await readX({ revalidate: true })).toBe(one.digest)
  })

  test('that cannot be had, and are what they were, fail as they failed', async () => {
    house.files.put('d/x', { bytes: one.bytes, version: '"1"', size: 7 })
    await house.catalog.told(x, asking())
    expect(await faultOf(openX())).toBe('source-changed')
    expect(bodies()).toBe(1)
  })

  test('that are gone from the store are fetched again', async () => {
    await brought()
    await house.catalog.verify(x, asking())
    await house.store.remove((await facts())!.id!)
    expect(await readX()).toBe(one.digest)
    await house.settled()
    expect(bodies()).toBe(2)
    expect(await facts()).toMatchObject({ id: one.digest })
  })

  test('have a sha256 for whoever must tell one, who waits for them', async () => {
    expect(await house.catalog.hashed(x, asking())).toMatchObject({ id: one.digest, size: 3000, outcome: { kind: 'miss' } })
    expect(bodies()).toBe(1)
    expect(await house.catalog.hashed(x, asking())).toMatchObject({ id: one.digest, outcome: { kind: 'hit' } })
    house.files.put('d/y', { bytes: two.bytes, version: '"1"', claimed: two.digest })
    expect(await house.catalog.hashed(fileNamed('d/y', data), asking())).toMatchObject({ id: two.digest, size: undefined })
    expect(bodies()).toBe(1)
  })

  test('by an md5 are nobody else’s, though somebody else’s have the same', async () => {
    const md5 = digestOfBytes(one.bytes, 'md5')
    house.files.put('d/x', { bytes: one.bytes, version: '"1"', claimed: md5 })
    await brought()
    house.files.put('d/y', { bytes: one.bytes, version: '"1"', claimed: md5 })
    const y = fileNamed('d/y', data)
    expect((await house.catalog.resolve(y, asking())).artifact.digests).toEqual([])
    expect(await readX({}, y)).toBe(one.digest)
    expect(bodies()).toBe(2)
    expect(await faultOf(house.catalog.open(blobNamed(md5), asking()))).toBe('not-found')
  })
})

describe('get, inspect, images and rm of names', () => {
  test('get waits until the bytes are stored and known', async () => {
    house.files.put('d/x', { bytes: large.bytes, version: '"1"' })
    const { id, path, size } = await house.catalog.get(x, asking())
    expect({ id, path, size }).toEqual({ id: large.digest, path: (await house.store.stat(id))?.path, size: large.bytes.length })
    expect(await facts()).toMatchObject({ id: large.digest })
  })

  test('a name that was only asked about is neither listed nor inspected, and can be forgotten', async () => {
    await house.catalog.told(x, asking())
    expect(await house.catalog.images()).toEqual([])
    expect(await faultOf(house.catalog.inspect(x))).toBe('not-found')
    expect(await house.catalog.remove(x)).toEqual({ removed: [key], freed: 0 })
    expect(await faultOf(house.catalog.remove(x))).toBe('not-found')
  })

  test('what a name led to goes with it, unless another name or an image has it', async () => {
    house.files.put('d/y', { bytes: one.bytes, version: '"1"' })
    await brought()
    await brought(fileNamed('d/y', data))
    expect(await house.catalog.remove(x)).toEqual({ removed: [key], freed: 0 })
    expect(await house.catalog.remove(fileNamed('d/y', data))).toEqual({ removed: ['data/d/y', one.digest], freed: 3000 })
    expect(await faultOf(house.catalog.inspect({ kind: 'digest', digest: one.digest }))).toBe('not-found')
  })

  test('who vouches for the bytes is told', async () => {
    const vouched = async () => (await house.catalog.inspect(x)).vouched
    await brought()
    expect(await vouched()).toBe('not')
    for (const [claimed, want] of [
      [digestOfBytes(two.bytes, 'md5'), 'weakly'],
      [two.digest, 'strongly'],
    ] as const) {
      house.files.put('d/x', { bytes: two.bytes, version: `"${want}"`, claimed })
      await house.clock.advance(policy.freshForMs)
      await brought()
      expect(await vouched()).toBe(want)
    }
  })

  test('a pinned name is pinned also where its bytes are known by a claim alone', async () => {
    house.files.put('d/x', { bytes: one.bytes, version: '"1"', claimed: one.digest })
    await house.catalog.pin(x)
    await brought()
    expect((await facts())?.id).toBeUndefined()
    expect(await house.catalog.images()).toMatchObject([{ name: key, isPinned: true }])
    const pins = await createPins({ ...house, configured: [] })
    await pins.look()
    expect(pins.has(one.digest as BlobId)).toBe(true)
    house.files.put('d/x', { bytes: two.bytes, version: '"2"' })
    await house.clock.advance(policy.freshForMs)
    await brought()
    await house.clock.advance(minute)
    expect((await house.catalog.gc()).removed).toEqual([one.digest])
  })
})

describe('gc', () => {
  test('frees what a name meant before, once it is settled what it means now', async () => {
    await brought()
    house.files.put('d/x', { bytes: two.bytes, version: '"2"' })
    await house.clock.advance(policy.freshForMs)
    await brought()
    await house.clock.advance(11 * second)
    expect(await house.catalog.gc()).toEqual({ removed: [one.digest], freed: 3000 })
    expect(await house.catalog.gc()).toEqual({ removed: [], freed: 0 })
    expect(await readX()).toBe(two.digest)
  })

  test('keeps what came in a moment ago, though its name means something else already', async () => {
    await brought()
    house.files.put('d/x', { bytes: two.bytes, version: '"2"' })
    await house.catalog.told(x, asking({ revalidate: true }))
    expect(await house.catalog.gc()).toEqual({ removed: [], freed: 0 })
  })

  test('keeps what is a registry’s besides', async () => {
    house.hub.pushBlob('lab/tool', one)
    await readAll(house.catalog.open(blobNamed(one.digest), asking()))
    await house.settled()
    house.files.put('d/x', { bytes: one.bytes, version: '"1"', claimed: one.digest })
    await brought()
    house.files.put('d/x', { bytes: two.bytes, version: '"2"' })
    await house.catalog.told(x, asking({ revalidate: true }))
    await house.clock.advance(minute)
    expect(await house.catalog.gc()).toEqual({ removed: [], freed: 0 })
  })
})

describe('records that were lost', () => {
  test('know every name again, and what is held of it', async () => {
    house.files.put('d/y', { bytes: two.bytes, version: '"1"', claimed: two.digest })
    house.files.put('d/z', { bytes: longer.bytes, version: '"1"', claimed: digestOfBytes(longer.bytes, 'md5') })
    house.files.put('e/told', { bytes: one.bytes, version: '"1"', claimed: digestOfBytes(Buffer.alloc(KiB), 'md5') })
    await house.catalog.told(fileNamed('e/told', data), asking())
    for (const path of ['d/x', 'd/y', 'd/z']) await brought(fileNamed(path, data))
    const tables = async () => {
      const { names, blobs, members, homes, aliases } = house.records
      const all: Record<string, unknown> = {}
      for (const table of [names, blobs, members, homes, aliases])
        for await (const [key, value] of table.entries()) all[key] = value
      return all
    }
    const before = await tables()
    await house.restart({ lost: true })
    expect(await tables()).toEqual(before)
    house.files.asked.length = 0
    for (const [path, { digest }] of [
      ['d/x', one],
      ['d/y', two],
      ['d/z', longer],
    ] as const)
      expect(await readX({}, fileNamed(path, data))).toBe(digest)
    expect(house.files.asked).toEqual([])
  })
})
