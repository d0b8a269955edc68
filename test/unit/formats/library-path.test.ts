import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  digestInPointer,
  parseLibraryArch,
  parseLibraryName,
  parseLibraryPath,
  printLibraryPath,
} from '../../../src/formats/library-path.ts'
import { faultIn } from '../../kit/hostile.ts'

const hash = `sha256.${'a1'.repeat(32)}`

describe('a path of a library', () => {
  test.each([
    ['Ent/Coll/Name:Tag', 'Ent/Coll/Name', 'Tag'],
    ['e/c/n', 'e/c/n', 'latest'],
    ['c/n:latest', 'c/n', 'latest'],
    ['n:1.2-rc_3', 'n', '1.2-rc_3'],
    [`e/c/n:${hash}`, 'e/c/n', hash],
    ['e/c/n:t/', 'e/c/n', 't'],
    ['/c/n:t', 'c/n', 't'], // an entity that the user left out
    ['//n:t', 'n', 't'],
    ['e//n:t', 'e/default/n', 't'],
    ['/e/c/n:t', 'e/c/n', 't'],
    ['e/c/n%3At', 'e/c/n', 't'],
    ['e/c/%6e:t', 'e/c/n', 't'],
  ])('%s names %s, %s', (path, name, pointer) => expect(parseLibraryPath(path)).toEqual({ name, pointer }))

  test.each([
    ['', 'name-invalid'],
    ['/', 'name-invalid'],
    [':t', 'name-invalid'],
    ['e/c/:t', 'name-invalid'],
    ['a/b/c/d:t', 'name-invalid'],
    ['e/c%2fd/n:t', 'name-invalid'],
    ['e/../n:t', 'name-invalid'],
    ['e/%2e%2e/n:t', 'name-invalid'],
    ['e/c/%256e:t', 'name-invalid'],
    ['e/c/n%00:t', 'name-invalid'],
    ['e/c/n%:t', 'name-invalid'],
    ['e/c/a b:t', 'name-invalid'],
    ['e/c/-n:t', 'name-invalid'],
    ['e/c/n:', 'tag-invalid'],
    ['e/c/n:a,b', 'tag-invalid'],
    ['e/c/n:a:b', 'tag-invalid'],
    ['e/c/n:../x', 'name-invalid'],
    [`e/c/n@sha256:${'a1'.repeat(32)}`, 'not-found'],
    ['e/c/n@x', 'not-found'],
  ])('%j is %s', (path, code) => expect(faultIn(() => parseLibraryPath(path))).toBe(code))

  test('may not be longer than any client asks for', () => {
    expect(faultIn(() => parseLibraryPath(`e/c/${'n'.repeat(300)}:t`))).toBe('name-invalid')
    expect(faultIn(() => parseLibraryPath(`e/c/n:${'t'.repeat(200)}`))).toBe('tag-invalid')
    expect(faultIn(() => parseLibraryArch(`arch=${'a'.repeat(1000)}`))).toBe('request-invalid')
  })

  test('is printed as it is asked for, and reads back', () => {
    const part = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,10}[A-Za-z0-9])?$/)
    const path = fc.tuple(fc.array(part, { minLength: 1, maxLength: 3 }), part).map(([parts, tag]) => `${parts.join('/')}:${tag}`)
    fc.assert(fc.property(path, (text) => printLibraryPath(parseLibraryPath(text)) === text))
  })

  test('ends in a name or in one of three faults, whatever it is', () => {
    const characters = fc.constantFrom('a', 'B', '1', '/', ':', '@', '.', '-', '%', '%2f', '%41', '\0', ' ', '\u00e9')
    const path = fc.array(characters, { maxLength: 20 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(path, (text) => void faultIn(() => parseLibraryPath(text), 'name-invalid', 'tag-invalid', 'not-found')),
      { numRuns: 2000 },
    )
  })
})

test('a hash in the place of a tag is a digest, and a tag that looks like one is not', () => {
  expect(digestInPointer(hash)).toBe(`sha256:${'a1'.repeat(32)}`)
  for (const tag of ['latest', 'a1'.repeat(16), 'a1'.repeat(32), 'sha256.a1', `md5.${'a1'.repeat(16)}`])
    expect(digestInPointer(tag)).toBeUndefined()
})

test.each([
  ['e', 'e'],
  ['e/c/', 'e/c'],
  ['e//n', 'e/default/n'],
  ['e/c/n', 'e/c/n'],
])('%s names %s', (path, name) => expect(parseLibraryName(path)).toBe(name))

test.each(['', 'a/b/c/d', 'a:b', 'a@b'])('%j names nothing', (path) =>
  expect(faultIn(() => parseLibraryName(path))).toBe('name-invalid'),
)

describe('the architecture', () => {
  test.each([
    ['arch=amd64', 'amd64'],
    ['x=1&arch=ppc64le', 'ppc64le'],
    ['arch%3Darm64', 'arm64'],
    ['arch%3Darm64=', 'arm64'],
    ['arch=&arch=386', '386'],
    ['arch=', undefined],
    ['arch', undefined],
    ['', undefined],
    ['search=amd64', undefined],
  ])('of ?%s is %s', (query, arch) => expect(parseLibraryArch(query)).toBe(arch))

  test.each(['arch=x86_64', 'arch=../x', 'arch=AMD64', 'arch%3D%00'])('of ?%s is none', (query) =>
    expect(faultIn(() => parseLibraryArch(query))).toBe('request-invalid'),
  )
})
