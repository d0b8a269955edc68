import { describe, expect, test } from 'vitest'
import {
  parseLibraryCollection,
  parseLibraryContainer,
  parseLibraryEntity,
  printLibraryCollection,
  printLibraryContainer,
  printLibraryEntity,
} from '../../../src/formats/library-names.ts'
import { parseLibrarySearch, printLibrarySearch } from '../../../src/formats/library-search.ts'
import { blob, digestOfBytes } from '../../kit/blobs.ts'
import { idOf } from '../../kit/bytes.ts'
import { bytesOf, faultIn, neverSurprises } from '../../kit/hostile.ts'

const names = ['data', 'entity', 'collection', 'container', 'image', 'id', 'name', 'imageTags', 'archTags', 'createdAt']
const createdAt = Date.UTC(2024, 4, 1)

const entity = { id: '7', name: 'Lab', description: 'The lab', collections: ['12'], createdAt }
const collection = { id: '12', name: 'tools', entity: '7', entityName: 'Lab', containers: ['33'], private: false, createdAt }
const container = {
  id: '33',
  name: 'tool',
  fullDescription: 'A tool\nof ours',
  entityName: 'Lab',
  collectionName: 'tools',
  images: ['91'],
  imageTags: new Map([['v1', '91']]),
  archTags: new Map([['amd64', new Map([['v1', '91']])]]),
  downloadCount: 4,
  stars: 0,
  readOnly: true,
}

describe('an entity, a collection and a container', () => {
  test('are printed in the envelope of a library', () => {
    expect(JSON.parse(printLibraryEntity(entity))).toEqual({ data: { ...entity, createdAt: '2024-05-01T00:00:00.000Z' } })
    expect(JSON.parse(printLibraryContainer(container)).data).toMatchObject({
      imageTags: { v1: '91' },
      archTags: { amd64: { v1: '91' } },
    })
  })

  test('read back as they were', () => {
    expect(parseLibraryEntity(Buffer.from(printLibraryEntity(entity)))).toEqual(entity)
    expect(parseLibraryCollection(Buffer.from(printLibraryCollection(collection)))).toEqual(collection)
    expect(parseLibraryContainer(Buffer.from(printLibraryContainer(container)))).toEqual(container)
  })

  test('are read from servers that know less', () => {
    const body = bytesOf({
      data: { id: 3, name: 'x', size: 'huge', downloadCount: null, archTags: { amd64: { latest: 7, b: {} } } },
    })
    expect(parseLibraryContainer(body)).toEqual({
      id: '3',
      name: 'x',
      archTags: new Map([['amd64', new Map([['latest', '7']])]]),
    })
  })

  test('are no surprise', () => {
    for (const parse of [parseLibraryEntity, parseLibraryCollection, parseLibraryContainer]) neverSurprises(parse, names)
  })
})

describe('a search', () => {
  const id = idOf(blob(10))
  const found = {
    entities: [entity],
    collections: [collection],
    containers: [container],
    images: [{ id: '91', digest: id, arch: 'amd64', tags: ['v1'], entityName: 'Lab' }],
  }

  test('reads back as it was', () => expect(parseLibrarySearch(Buffer.from(printLibrarySearch(found)))).toEqual(found))

  test('has lists, empty ones too, under the names that clients know', () => {
    const nothing = { entities: [], collections: [], containers: [], images: [] }
    expect(JSON.parse(printLibrarySearch(nothing))).toEqual({ data: { entity: [], collection: [], container: [], image: [] } })
    expect(parseLibrarySearch(bytesOf({ data: { entity: null, image: 'x', collection: [null, 3, 'y', []] } }))).toEqual(nothing)
  })

  test('tells on neither an unseen size nor a hash that clients refuse', () => {
    const md5 = digestOfBytes(Buffer.from('x'), 'md5')
    const printed = printLibrarySearch({ ...found, images: [{ id: '1', digest: md5, size: 12 }] })
    expect(JSON.parse(printed).data.image).toEqual([{ id: '1' }])
  })

  test('that is none is a mistake of the library', () => {
    for (const body of ['[]', '{}', '{"data":[]}']) {
      expect(faultIn(() => parseLibrarySearch(Buffer.from(body)), 'upstream-invalid')).toBe('upstream-invalid')
    }
  })

  test('is no surprise', () => neverSurprises(parseLibrarySearch, names))
})
