import { describe, expect, test } from 'vitest'
import {
  parseShubCollection,
  parseShubCollections,
  parseShubLabels,
  parseShubSearch,
  printShubCollection,
  printShubCollections,
  printShubLabels,
  printShubSearch,
} from '../../../src/formats/shub-search.ts'
import { bytesOf, faultIn, neverSurprises } from '../../kit/hostile.ts'

const names = ['results', 'next', 'containers', 'labels', 'name', 'tag', 'key', 'value', 'collection', 'id']
const told = {
  id: 3,
  name: 'lab',
  add_date: '2020-01-01T00:00:00Z',
  modify_date: '2020-01-02T00:00:00Z',
  metadata: { deep: [] },
  containers: [
    { name: 'tool', tag: 'v1', uri: 'lab/tool:v1', detail: 'https://hub.example/containers/7' },
    { name: 'tool' },
    'junk',
  ],
}
const lab = {
  id: '3',
  name: 'lab',
  addedAt: Date.UTC(2020, 0, 1),
  modifiedAt: Date.UTC(2020, 0, 2),
  containers: [told.containers[0]],
}

describe('collections', () => {
  test('are read from a page, with a link to the next', () => {
    const next = 'https://hub.example/api/collections/?page=2'
    expect(parseShubCollections(bytesOf({ count: 9, next, results: [told, null, {}] }))).toEqual({ collections: [lab], next })
  })

  test('are read from a plain list', () => expect(parseShubCollections(bytesOf([told]))).toEqual({ collections: [lab] }))

  test.each([null, '/api/?page=2', 'file:///x', 7])('have no next page at %j', (next) => {
    expect(parseShubCollections(bytesOf({ next, results: [] }))).toEqual({ collections: [] })
  })

  test('are printed on one page, with all that clients read, and read back as they were', () => {
    const few = [{ name: 'lab', containers: [{ name: 'tool', tag: 'v1' }] }]
    expect(JSON.parse(printShubCollections(few))).toEqual({
      count: 1,
      next: null,
      previous: null,
      results: [{ name: 'lab', containers: [{ name: 'tool', tag: 'v1', uri: 'lab/tool:v1', detail: '' }] }],
    })
    const printed = printShubCollections(parseShubCollections(bytesOf([told])).collections)
    expect(parseShubCollections(Buffer.from(printed))).toEqual({ collections: [lab] })
  })

  test('are one at a time under their name, or none', () => {
    expect(parseShubCollection(bytesOf(told))).toEqual(lab)
    expect(parseShubCollection(bytesOf({}))).toBeUndefined()
    expect(printShubCollection(undefined)).toBe('{}')
    expect(parseShubCollection(Buffer.from(printShubCollection(parseShubCollection(bytesOf(told)))))).toEqual(lab)
  })
})

describe('images that were found', () => {
  const image = { id: '7', collection: 'lab', name: 'tool', tag: 'v1', version: 'a1'.repeat(16), frozen: true, addedAt: 0 }

  test('are read without those that clients could not show', () => {
    const list = [
      { id: 7, collection: 'lab', name: 'tool', tag: 'v1', metrics: {} },
      { name: 'tool', tag: 'v1' },
    ]
    expect(parseShubSearch(bytesOf(list))).toEqual([{ id: '7', collection: 'lab', name: 'tool', tag: 'v1' }])
    expect(parseShubSearch(bytesOf({ containers: list }))).toHaveLength(1)
    expect(parseShubSearch(bytesOf({}))).toEqual([])
  })

  test('read back as they were', () => expect(parseShubSearch(Buffer.from(printShubSearch([image])))).toEqual([image]))
})

describe('labels', () => {
  const label = { key: 'maintainer', value: 'me', containers: ['lab/tool:v1'] }

  test('are read without those that are not whole', () => {
    expect(parseShubLabels(bytesOf([{ ...label, id: 1 }, { key: 'x' }, 3]))).toEqual([label])
  })

  test('read back as they were', () => expect(parseShubLabels(Buffer.from(printShubLabels([label])))).toEqual([label]))
})

test.each([
  ['of collections', parseShubCollections],
  ['of a collection', parseShubCollection],
  ['of images', parseShubSearch],
  ['of labels', parseShubLabels],
])('an answer %s that is none is a mistake of the registry, and no surprise', (_what, parse) => {
  for (const body of ['429', 'null', '"x"', '<html>']) {
    expect(faultIn(() => parse(Buffer.from(body)), 'upstream-invalid')).toBe('upstream-invalid')
  }
  neverSurprises(parse, names)
})
