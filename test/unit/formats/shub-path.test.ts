import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseShubPath, printShubPath } from '../../../src/formats/shub-path.ts'
import { parseShubQuery, printShubQuery } from '../../../src/formats/shub-query.ts'
import { faultIn } from '../../kit/hostile.ts'

const md5 = 'a1'.repeat(16)
const commit = 'b2'.repeat(20)

describe('a path of a shub registry', () => {
  test.each([
    ['Lab/Tool:Latest', 'Lab/Tool', 'Latest', 'Lab/Tool:Latest'],
    ['lab/tool', 'lab/tool', 'latest', 'lab/tool:latest'],
    ['lab/tool/', 'lab/tool', 'latest', 'lab/tool:latest'],
    ['/lab//tool:1.0', 'lab/tool', '1.0', 'lab/tool:1.0'],
    [`lab/tool@${md5}`, 'lab/tool', `latest@${md5}`, `lab/tool@${md5}`],
    [`lab/tool:v1@${commit}`, 'lab/tool', `v1@${commit}`, `lab/tool:v1@${commit}`],
    [`lab/tool:${commit}`, 'lab/tool', commit, `lab/tool:${commit}`],
    ['lab/tool%3Av1', 'lab/tool', 'v1', 'lab/tool:v1'],
    ['my_lab/a.b_c-d', 'my_lab/a.b_c-d', 'latest', 'my_lab/a.b_c-d:latest'],
  ])('%s names %s, %s, asked for as %s', (path, name, pointer, printed) => {
    expect(parseShubPath(path)).toEqual({ name, pointer })
    expect(printShubPath(parseShubPath(path))).toBe(printed)
  })

  test.each([
    ['', 'name-invalid'],
    ['tool', 'name-invalid'],
    ['a/b/c', 'name-invalid'],
    ['a/..', 'name-invalid'],
    ['a/%2e%2e', 'name-invalid'],
    ['a%2fb/c', 'name-invalid'],
    ['a/:t', 'name-invalid'],
    ['a/b:', 'tag-invalid'],
    ['a/b:c:d', 'tag-invalid'],
    ['a/b:.hidden', 'tag-invalid'],
    ['a/b@', 'tag-invalid'],
    ['a/b@sha256:x', 'tag-invalid'],
    [`a/b@${md5.toUpperCase()}`, 'tag-invalid'],
    [`a/b@${md5}@${md5}`, 'tag-invalid'],
  ])('%j is %s', (path, code) => expect(faultIn(() => parseShubPath(path))).toBe(code))

  test('ends in a name or in one of two faults, whatever it is', () => {
    const characters = fc.constantFrom('a', 'B', '1', '/', ':', '@', md5, '.', '-', '%', '%40', '%2f', '\n', '\u00e9')
    const path = fc.array(characters, { maxLength: 15 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(path, (text) => void faultIn(() => parseShubPath(text), 'name-invalid', 'tag-invalid')),
      { numRuns: 2000 },
    )
  })
})

describe('a search', () => {
  test.each([
    ['collections/', { kind: 'collections' }],
    ['collection/lab', { kind: 'collection', name: 'lab' }],
    ['collection/lab/', { kind: 'collection', name: 'lab' }],
    ['container/search/collection/lab/name/tool', { kind: 'images', collection: 'lab', name: 'tool' }],
    ['container/search/collection/lab/name/tool/tag/v1/', { kind: 'images', collection: 'lab', name: 'tool', tag: 'v1' }],
    ['container/search/name/tool', { kind: 'images', name: 'tool' }],
    ['container/search/name/tool/tag/v1', { kind: 'images', name: 'tool', tag: 'v1' }],
    ['labels/search', { kind: 'labels' }],
    ['labels/search/maintainer/key/me%20too/value', { kind: 'labels', key: 'maintainer', value: 'me too' }],
    ['labels/search/maintainer/key', { kind: 'labels', key: 'maintainer' }],
    ['labels/search/me/value', { kind: 'labels', value: 'me' }],
  ] as const)('%s asks for %j, and so does what is printed of that', (path, query) => {
    expect(parseShubQuery(path)).toEqual(query)
    expect(parseShubQuery(printShubQuery(query))).toEqual(query)
  })

  test('is printed as registries have it, whatever stands in it', () => {
    expect(printShubQuery({ kind: 'collections' })).toBe('collections/') // without the slash they redirect
    expect(printShubQuery({ kind: 'labels', key: 'a', value: 'b' })).toBe('labels/search/a/key/b/value')
    expect(printShubQuery({ kind: 'collection', name: '../x?y#z' })).toBe('collection/..%2Fx%3Fy%23z')
  })

  test.each([
    '',
    'collections/7',
    'collection',
    'collection/a/b',
    'container/lab/tool',
    'container/search',
    'container/search/name',
    'container/search/collection/lab',
    'container/search/name/a/__proto__/b',
    'labels',
    'labels/search/a',
    'labels/search/a/other',
    'labels/search/a/key/b',
    `collection/${'x'.repeat(300)}`,
  ])('%j asks for nothing', (path) => expect(parseShubQuery(path)).toBeUndefined())
})
