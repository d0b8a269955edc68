import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestOrUndefined, parseDigest, strongest } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import {
  type FileReference,
  type ImageReference,
  parseFilePath,
  parseImageName,
  parseImagePointer,
  parsePointer,
  parseRepository,
  parseTag,
  placeOf,
  printReference,
  type UpstreamId,
} from '../../../src/model/reference.ts'

const sha256 = `sha256:${'a'.repeat(64)}`

function codeOf(run: () => unknown): string | undefined {
  try {
    run()
    return undefined
  } catch (error) {
    if (error instanceof Fault) return error.code
    throw error
  }
}

describe('digests', () => {
  test.each([sha256, `sha512:${'0'.repeat(128)}`, `md5:${'f'.repeat(32)}`])('%s is one', (text) =>
    expect(parseDigest(text)).toBe(text),
  )
  test.each([
    '',
    ':',
    'sha256:',
    sha256.toUpperCase(),
    `${sha256}a`,
    `sha256:${'g'.repeat(64)}`,
    'constructor:aa',
    `sha256:${'a'.repeat(63)}`,
    `${sha256}:b`,
    `sha256:${'a'.repeat(63)}\n`,
  ])('%j is none', (text) => {
    expect(codeOf(() => parseDigest(text))).toBe('digest-invalid')
    expect(digestOrUndefined(text)).toBeUndefined()
  })
  test('the longest hash is the strongest', () => {
    expect(strongest([parseDigest(sha256), parseDigest(`sha512:${'0'.repeat(128)}`)])).toMatch(/^sha512/)
    expect(strongest([])).toBeUndefined()
  })
})

describe('names', () => {
  test.each(['a', 'library/alpine', 'a/b/c/d', 'a-b', 'a--b', 'a__b', 'a.b', '0/1'])('%s is a repository', (text) =>
    expect(parseRepository(text)).toBe(text),
  )
  test.each([
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    'A',
    'a/../b',
    '..',
    '.',
    'a/./b',
    'a___b',
    '-a',
    'a-',
    'a..b',
    'a b',
    'a%2fb',
    'a\0b',
    'é',
    'a'.repeat(256),
  ])('%j is no repository', (text) => expect(codeOf(() => parseRepository(text))).toBe('name-invalid'))
  test.each(['latest', '3.20', '_x', 'A'.repeat(128)])('%s is a tag', (text) => expect(parseTag(text)).toBe(text))
  test.each(['', '.a', '-a', 'A'.repeat(129), 'a/b', 'a b', 'a\0', 'a\n', 'ü'])('%j is no tag', (text) =>
    expect(codeOf(() => parseTag(text))).toBe('tag-invalid'),
  )
  test('a pointer with a colon is a digest or wrong', () => {
    expect(parsePointer(sha256)).toBe(sha256)
    expect(codeOf(() => parsePointer('sha256:abc'))).toBe('digest-invalid')
  })
  test('no accepted name can leave a folder it is joined to', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('a', '.', '/', '_', '-', '%', '\\', '\0') }), (text) => {
        if (codeOf(() => parseRepository(text)) === undefined) expect(text.split('/')).not.toContain('..')
        if (codeOf(() => parseTag(text)) === undefined) expect(text).not.toMatch(/[/\\\0]|^\.\.?$/)
      }),
    )
  })
})

describe('the path of a file', () => {
  test.each([
    ['x.sif', 'x.sif'],
    ['a/b/x.sif', 'a/b/x.sif'],
    ['a b/x.sif', 'a%20b/x.sif'],
    ['a%20b/x.sif', 'a%20b/x.sif'],
    ['%41.sif', 'A.sif'],
    ['x%2esif', 'x.sif'],
    ['ü', '%C3%BC'],
    ['%C3%BC', '%C3%BC'],
    ['100%25', '100%25'],
    ['%252e%252e/x', '%252e%252e/x'], // a folder whose name has percent signs, and nothing more
    ['x+y', 'x%2By'],
    ['...', '...'],
    ['a/', 'a/'],
    ['', ''],
  ])('%j is %j', (text, path) => expect(parseFilePath(text)).toBe(path))

  test.each([
    '..',
    '../x',
    'a/../x',
    'a/..',
    '.',
    './x',
    '%2e%2e/x',
    'a/%2E%2e/x',
    '%2e/x',
    'a//x',
    '/x',
    '//',
    'a%2fb',
    'a%5cb',
    'a\\b',
    'a%00b',
    'a\nb',
    'a%0d%0ab',
    '%',
    '%zz',
    '%ff',
    '%C3',
    '\ud800x',
    'x'.repeat(2049),
  ])('%j is none', (text) => expect(codeOf(() => parseFilePath(text))).toBe('name-invalid'))

  test('has one form, and stays where it is below its upstream', () => {
    const unit = fc.constantFrom('a', '.', '/', '%', '2', 'e', 'f', 'E', 'F', '5', 'c', '\\', '\0', ' ', 'ü', '?', '#')
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 20 }), (text) => {
        if (codeOf(() => parseFilePath(text)) !== undefined) return
        const path = parseFilePath(text)
        expect(parseFilePath(path)).toBe(path)
        const url = new URL(`/pub/${path}`, 'https://data.example')
        expect([url.pathname, url.search, url.hash]).toEqual([`/pub/${path}`, '', ''])
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the name of an image that is one file', () => {
  test.each(['a', 'entity/collection/container', 'A/b_c/D-e.f', 'a/b/c/d/e/f/g/h'])('%s is one', (text) =>
    expect(parseImageName(text)).toBe(text),
  )
  test.each([
    '',
    '/',
    'a/',
    '/a',
    'a//b',
    '..',
    'a/../b',
    '.a',
    'a.',
    '-a',
    'a b',
    'a%2fb',
    'a:b',
    'a@b',
    'ü',
    'a\0',
    'a/b/c/d/e/f/g/h/i',
    'a'.repeat(256),
  ])('%j is none', (text) => expect(codeOf(() => parseImageName(text))).toBe('name-invalid'))
  test.each(['latest', '1.0', `sha256.${'a'.repeat(64)}`, `latest@${'a'.repeat(40)}`, '1.0+cuda'])('%s is a pointer', (text) =>
    expect(parseImagePointer(text)).toBe(text),
  )
  test.each(['', '.a', '-a', '@a', 'a/b', 'a b', 'a:b', 'a?b', 'a\n', 'a'.repeat(257)])('%j is no pointer', (text) =>
    expect(codeOf(() => parseImagePointer(text))).toBe('tag-invalid'),
  )
})

test('no two names have one key, and what is held of a name is told by the name without its tag', () => {
  const upstream = 'lab' as UpstreamId
  const image = (more: Partial<ImageReference>): ImageReference => ({
    kind: 'image',
    upstream,
    name: parseImageName('e/c/n'),
    pointer: '1',
    arch: undefined,
    ...more,
  })
  const file = (path: string): FileReference => ({ kind: 'file', upstream, path: parseFilePath(path) })
  const all = [
    image({}),
    image({ arch: 'arm64' }),
    image({ pointer: '2' }),
    file('e/c/n'),
    file('e/c/n:1'),
    file('e/c/n:1?arch=arm64'),
  ]
  expect(new Set(all.map(printReference)).size).toBe(all.length)
  expect(all.map((one) => placeOf(one).repository)).toEqual([
    ...Array(3).fill('e/c/n'),
    'e/c/n',
    'e/c/n%3A1',
    'e/c/n%3A1%3Farch%3Darm64',
  ])
})
