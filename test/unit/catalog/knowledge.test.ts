import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { BlobFacts } from '../../../src/model/facts.ts'
import { blob, digestOfBytes } from '../../kit/blobs.ts'
import { idOf } from '../../kit/bytes.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'
import { manifestNamed, tagNamed } from '../../kit/questions.ts'
import { type CatalogHouse, createCatalogHouse, second } from './catalog-house.ts'

expectNoLeaks()

describe('what is known', () => {
  let house: CatalogHouse
  const content = blob(7)
  const stored = { id: idOf(content), size: 7 }
  const strong = digestOfBytes(content.bytes, 'sha512')
  const facts: Omit<BlobFacts, 'createdAt'> = { mediaType: undefined, repositories: ['hub/a'], isPublic: false, aliases: [] }

  beforeEach(async () => {
    house = await createCatalogHouse()
  })
  afterEach(() => house[Symbol.asyncDispose]())

  test('of a blob grows and never shrinks', async () => {
    const { knowledge, sidecars } = house
    const createdAt = house.clock.now()
    await knowledge.addBlob(stored, facts)
    await house.clock.advance(second)
    await knowledge.addBlob(stored, {
      ...facts,
      repositories: ['hub/b'],
      mediaType: 'a/b',
      isPublic: true,
      aliases: [stored.id, strong],
    })
    await knowledge.addBlob(stored, facts)
    const want = { mediaType: 'a/b', repositories: ['hub/a', 'hub/b'], isPublic: true, aliases: [strong], createdAt }
    expect(await knowledge.blob(stored.id)).toEqual({ ...want, size: 7 })
    expect(await sidecars.readBlob(stored.id)).toEqual({ ...want, size: 7 })
    expect([await knowledge.idOf(strong), await knowledge.idOf(stored.id)]).toEqual([stored.id, stored.id])
  })

  test('of a blob by several at once is all kept', async () => {
    const repositories = ['hub/a', 'hub/b', 'hub/c', 'hub/d']
    await Promise.all(repositories.map((one) => house.knowledge.addBlob(stored, { ...facts, repositories: [one] })))
    expect((await house.knowledge.blob(stored.id))?.repositories).toEqual(repositories)
    expect((await house.sidecars.readBlob(stored.id))?.repositories).toEqual(repositories)
  })

  test('of the pieces of a blob is read from disk once, and forgotten with the blob', async () => {
    const MiB = 1024 * 1024
    const large = { id: stored.id, size: 4 * MiB }
    const pieces = { length: MiB, hashes: Buffer.alloc(4 * 32, 7) }
    expect(await house.knowledge.pieces(large)).toBeUndefined()
    await house.knowledge.addPieces(large.id, pieces)
    expect(await house.knowledge.pieces(large)).toEqual(pieces)
    await house.sidecars.writePieces(large.id, { ...pieces, hashes: Buffer.alloc(4 * 32, 8) })
    expect(await house.knowledge.pieces(large)).toEqual(pieces)
    await house.knowledge.forgetBlob(large.id)
    expect((await house.knowledge.pieces(large))?.hashes[0]).toBe(8)
  })

  test('of a blob in very many repositories is the latest two hundred', async () => {
    const repositories = Array.from({ length: 300 }, (_, at) => `hub/r${at}`)
    await house.knowledge.addBlob(stored, { ...facts, repositories })
    expect((await house.knowledge.blob(stored.id))?.repositories).toEqual(repositories.slice(-200))
  })

  test('of a blob that is forgotten goes with its other names', async () => {
    await house.knowledge.addBlob(stored, { ...facts, aliases: [strong] })
    await house.knowledge.forgetBlob(stored.id)
    expect([await house.knowledge.blob(stored.id), await house.knowledge.idOf(strong)]).toEqual([undefined, undefined])
  })

  test('of a tag is in a file before it is in the index', async () => {
    const reference = tagNamed('v1')
    const tag = { digest: content.digest, mediaType: 'a/b', size: 7, checkedAt: 5 }
    await house.knowledge.setTag(reference, tag)
    await house.knowledge.touchTag(reference, { ...tag, checkedAt: 6 })
    const onDisk: unknown[] = []
    for await (const [, facts] of house.sidecars.tags()) onDisk.push(facts)
    expect(onDisk).toEqual([{ ...tag, checkedAt: 6 }])
    expect(await house.knowledge.tag(reference)).toEqual({ ...tag, checkedAt: 6 })
    expect([await house.knowledge.forgetTag(reference), await house.knowledge.forgetTag(reference)]).toEqual([true, false])
    expect(await house.knowledge.tag(reference)).toBeUndefined()
  })

  test('of members keeps the places that any manifest named, up to sixteen', async () => {
    const place = manifestNamed('v1', 'lab/a')
    const add = (urls?: readonly string[]) =>
      house.knowledge.addMembers(place, [[content.digest, { size: 7, mediaType: 'a/b', ...(urls && { urls }) }]])
    await add(['https://one/'])
    await add()
    await add(['https://two/', 'https://one/'])
    expect((await house.knowledge.member(place, content.digest))?.urls).toEqual(['https://two/', 'https://one/'])
    await add(Array.from({ length: 20 }, (_, at) => `https://more/${at}`))
    expect((await house.knowledge.member(place, content.digest))?.urls).toHaveLength(16)
    expect(await house.knowledge.member(manifestNamed('v1', 'lab/b'), content.digest)).toBeUndefined()
  })

  test('of members is of one repository', async () => {
    await house.knowledge.addMembers(manifestNamed('v1', 'lab/a'), [[content.digest, { size: 7, mediaType: undefined }]])
    expect(await house.knowledge.member(manifestNamed('v1', 'lab/a'), content.digest)).toMatchObject({ size: 7 })
    expect(await house.knowledge.member(manifestNamed('v1', 'lab/ab'), content.digest)).toBeUndefined()
    expect(await house.knowledge.member(manifestNamed('v1', 'lab'), content.digest)).toBeUndefined()
  })
})
