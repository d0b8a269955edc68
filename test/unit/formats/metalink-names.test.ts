import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isMetalinkName, mistakeInForeignName, toMetalinkName } from '../../../src/formats/metalink-names.ts'

test.each([
  ['library/alpine_3.20/blobs/sha256/ab', 'library/alpine_3.20/blobs/sha256/ab'],
  ['C++ tools (1).sif', 'C++_tools__1_.sif'],
  ['../../etc/passwd', 'etc/passwd'],
  ['.hidden/_x', 'hidden/x'],
  ['a//b/', 'a/b'],
  ['häuser', 'h_user'],
  ['a%2fb&c:d\\e', 'a_2fb_c_d_e'],
  ['..', 'file'],
  ['', 'file'],
])('%s becomes %s', (text, name) => expect(toMetalinkName(text)).toBe(name))

test('half of a character is a mistake in a name', () => {
  expect(mistakeInForeignName('\ud800.iso')).toBeDefined()
  expect(mistakeInForeignName('𝒳.iso')).toBeUndefined()
})

test('whatever the text, the name is allowed, and an allowed name stays', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
      const name = toMetalinkName(text)
      expect(isMetalinkName(name)).toBe(true)
      expect(toMetalinkName(name)).toBe(name)
    }),
  )
})
