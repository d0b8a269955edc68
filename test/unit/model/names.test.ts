import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { digestOrUndefined, parseDigest, strongest } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import { parsePointer, parseRepository, parseTag } from '../../../src/model/reference.ts'

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
