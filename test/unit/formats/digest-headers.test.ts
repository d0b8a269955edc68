import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseWantDigest, parseWantReprDigest, printDigest, printReprDigest } from '../../../src/formats/digest-headers.ts'
import { digestOfBytes } from '../../kit/blobs.ts'

const bytes = Buffer.from('hello world')
const sha256 = digestOfBytes(bytes)
const md5 = digestOfBytes(bytes, 'md5')
// From the shell: printf 'hello world' | openssl dgst -sha256 -binary | base64
const base64 = 'uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek='

test('the fields hold the raw hash in base64, as each RFC spells it', () => {
  expect(printDigest([sha256])).toBe(`SHA-256=${base64}`)
  expect(printReprDigest([sha256])).toBe(`sha-256=:${base64}:`)
  expect(printDigest([sha256, md5])).toBe(`SHA-256=${base64},MD5=XrY7u+Ae7tCTyyK7j1rNww==`)
  expect(printReprDigest([sha256, md5])).toBe(`sha-256=:${base64}:, md5=:XrY7u+Ae7tCTyyK7j1rNww==:`)
})

describe('Want-Digest', () => {
  test.each([
    ['of aria2', 'SHA-512;q=1, SHA-256;q=1, SHA;q=0.1', ['sha512', 'sha256', 'sha1']],
    ['without weights, as it comes', 'md5, sha-256', ['md5', 'sha256']],
    ['best liked first', 'MD5;q=0.2,SHA;q=0.5 , SHA-512 ; q=0.999', ['sha512', 'sha1', 'md5']],
    ['not what is not wanted', 'SHA-256;q=0, MD5;q=0.0, SHA;q=1.000', ['sha1']],
    ['nothing of what nobody computes', 'UNIXsum, CRC32c;q=0.5, contentMD5', []],
    ['empty members passed over', ', ,SHA-256,,', ['sha256']],
    ['the last word on a name', 'MD5;q=1, MD5;q=0', []],
    ['nothing where a weight is none', 'SHA-256;q=2, MD5', []],
    ['nothing where a weight is finer than it may be', 'SHA-256;q=0.1234', []],
    ['nothing where something else stands', 'SHA-256=abc', []],
    ['nothing of what is endless', 'MD5,'.repeat(1000), []],
    ['nothing where it is empty', '', []],
    ['nothing where it is not there', undefined, []],
  ])('is read: %s', (_, field, want) => expect(parseWantDigest(field)).toEqual(want))
})

describe('Want-Repr-Digest', () => {
  test.each([
    ['best liked first', 'sha-256=3, sha-512=10', ['sha512', 'sha256']],
    ['not what is not acceptable', 'sha-512=0, sha-256=1', ['sha256']],
    ['nothing that is deprecated there', 'md5=10, sha=9, unixsum=8', []],
    ['nothing where a preference is too large', 'sha-256=11', []],
    ['nothing where a preference is negative', 'sha-256=-1', []],
    ['nothing where a preference is no whole number', 'sha-256=0.5', []],
    ['nothing where a member has no value', 'sha-256', []],
    ['nothing in the words of the older field', 'SHA-256;q=1', []],
    ['nothing where it is not there', undefined, []],
  ])('is read: %s', (_, field, want) => expect(parseWantReprDigest(field)).toEqual(want))
})

test('whatever stands in a wish, reading it ends and names each algorithm once', () => {
  const piece = fc.constantFrom(
    'SHA-256',
    'sha-512',
    'md5',
    '__proto__',
    'constructor',
    '=',
    ';',
    'q=',
    '0',
    '1',
    '.',
    ',',
    ' ',
    '10',
  )
  const text = fc.oneof(
    fc.string({ maxLength: 200 }),
    fc.array(piece, { maxLength: 40 }).map((parts) => parts.join('')),
  )
  fc.assert(
    fc.property(text, (field) => {
      for (const wanted of [parseWantDigest(field), parseWantReprDigest(field)]) expect(new Set(wanted).size).toBe(wanted.length)
    }),
  )
})
