import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { KiB, seededBytes } from '../kit/blobs.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { pullFromLibrary } from '../kit/library-client.ts'
import { sha256 } from '../kit/library-upstream.ts'
import { createLibraryWorld, type LibraryWorld } from '../kit/library-world.ts'

expectNoLeaks()

const bytes = seededBytes(100 * KiB, 'lists')
const other = seededBytes(100 * KiB, 'other')

const get = async ({ house }: LibraryWorld, path: string) => {
  const { status, body, headers } = await ask(`${house.url}/${path}`)
  return { status, headers, json: JSON.parse(body.toString()) }
}

/** Pulls some, so that something is held. */
async function filled(world: LibraryWorld): Promise<LibraryWorld> {
  world.library.push('lab/genomics/samtools:1.9', bytes, {
    more: { description: 'sorts', signed: true, fingerprints: ['AB'.repeat(20)] },
  })
  world.library.push('lab/genomics/samtools:latest', bytes)
  world.library.push('lab/genomics/bwa:latest', other)
  world.library.push('lab/genomics/bwa:latest', bytes, { arch: 'arm64' })
  for (const name of ['samtools:1.9', 'samtools:latest', 'bwa:latest'])
    await pullFromLibrary(world.house.url, `lab/genomics/${name}`)
  await pullFromLibrary(world.house.url, 'lab/genomics/bwa:latest', { arch: 'arm64' })
  for (const name of ['samtools:1.9', 'samtools:latest', 'bwa:latest']) await world.stored(`lab/genomics/${name}`)
  return world
}

describe('a search', () => {
  test("is the library's own, without what clients give up on, and asked once in a while", async () => {
    const search = {
      data: {
        entity: null,
        container: [{ id: 7, name: 'samtools', createdAt: '', imageTags: null }],
        image: [
          {
            hash: sha256(bytes),
            size: '12',
            containerName: 'samtools',
            entityName: 'lab',
            tags: null,
            updatedAt: '2024-01-02T03:04:05',
          },
        ],
      },
    }
    await using world = await createLibraryWorld({ library: { search } })
    const { status, json } = await get(world, 'v1/search?value=samtools&arch=amd64&signed=true&x=y')
    expect(status).toBe(200)
    expect(json.data).toEqual({
      entity: [],
      collection: [],
      container: [{ id: '7', name: 'samtools' }],
      image: [{ hash: sha256(bytes), containerName: 'samtools', entityName: 'lab' }],
    })
    await get(world, 'library/lab/v1/search?value=samtools&arch=amd64&signed=true')
    expect(world.library.asked).toEqual(['GET /v1/search?value=samtools&arch=amd64&signed=true'])
  })

  test('is what is held, where the library has none or cannot be asked', async () => {
    await using world = await filled(await createLibraryWorld())
    const found = async (query: string) => {
      const { json } = await get(world, `v1/search?${query}`)
      expect([json.data.entity, json.data.collection, json.data.container]).toEqual([[], [], []])
      return json.data.image
    }
    const samtools = {
      hash: sha256(bytes),
      arch: 'amd64',
      entityName: 'lab',
      collectionName: 'genomics',
      containerName: 'samtools',
      tags: ['1.9', 'latest'],
    }
    expect(await found('value=SAMtools&arch=amd64')).toMatchObject([samtools])
    expect(await found('value=bwa&arch=arm64')).toMatchObject([{ containerName: 'bwa', arch: 'arm64', hash: sha256(bytes) }])
    expect(await found('value=samtools&arch=arm64')).toEqual([])
    expect(await found('value=genomics')).toHaveLength(3)
    expect(await found('value=nothing')).toEqual([])
    expect((await found('value=samtools&signed=true&arch=amd64'))[0]?.tags).toEqual(['1.9'])
    await world.library.refuse()
    expect(await found('value=samt&arch=amd64')).toMatchObject([samtools])
  })

  test.each(['', 'value=', 'value=ab', `value=${'x'.repeat(300)}`, 'value=abc&arch=../x'])('for %j is refused', async (query) => {
    await using world = await createLibraryWorld()
    const { status, json } = await get(world, `v1/search?${query}`)
    expect([status, json.error.code]).toEqual([400, 400])
    expect(world.library.asked).toEqual([])
  })

  test('that the library refuses is refused', async () => {
    await using world = await filled(await createLibraryWorld())
    world.library.fault({ path: '/v1/search' }, { status: 403, body: '{"error":{"code":403,"message":"log in"}}' })
    expect((await get(world, 'v1/search?value=samtools')).status).toBe(403)
  })
})

describe('a part of a name', () => {
  test("is told in the library's own words", async () => {
    await using world = await createLibraryWorld()
    const answer = (data: object) => ({
      status: 200,
      body: JSON.stringify({ data }),
      headers: { 'content-type': 'application/json' },
    })
    world.library.fault({ path: '/v1/entities/lab' }, answer({ id: 7, name: 'lab', deletedAt: '', collections: [1, 'x'] }))
    world.library.fault({ path: '/v1/containers/lab/c/n' }, answer({ id: '9', name: 'n', imageTags: { t: 5 }, archTags: null }))
    expect((await get(world, 'v1/entities/lab')).json).toEqual({ data: { id: '7', name: 'lab', collections: ['1', 'x'] } })
    expect((await get(world, 'v1/containers/lab/c/n')).json).toEqual({ data: { id: '9', name: 'n', imageTags: { t: '5' } } })
    expect((await get(world, 'v1/collections/lab/c')).status).toBe(404)
  })

  test('is told of what is held, where the library cannot be asked', async () => {
    await using world = await filled(await createLibraryWorld())
    await world.library.refuse()
    expect((await get(world, 'v1/entities/lab')).json.data).toMatchObject({ name: 'lab' })
    expect((await get(world, 'v1/collections/lab/genomics')).json.data).toMatchObject({ name: 'genomics', entityName: 'lab' })
    const id = `sha256:${sha256(bytes).slice(7)}`
    expect((await get(world, 'v1/containers/lab/genomics/samtools')).json.data).toMatchObject({
      name: 'samtools',
      imageTags: { '1.9': id, latest: id },
    })
    expect((await get(world, 'v1/containers/lab/genomics/bwa')).json.data.archTags).toMatchObject({ arm64: { latest: id } })
    for (const path of ['v1/entities/gen', 'v1/collections/lab/gen', 'v1/containers/lab/genomics/sam'])
      expect((await get(world, path)).status, path).toBe(404)
  })
})
