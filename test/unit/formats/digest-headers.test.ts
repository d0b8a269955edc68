import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  chooseDigests,
  parseDigestField,
  parseReprDigest,
  parseWantDigest,
  parseWantReprDigest,
  printDigest,
  printReprDigest,
} from '../../../src/formats/digest-headers.ts'
import { algorithms } from '../../../src/model/digest.ts'
import { digestOfBytes } from '../../kit/blobs.ts'

const bytes = Buffer.from('hello world')
const sha256 = digestOfBytes(bytes)
const sha512 = digestOfBytes(bytes, 'sha512')
const sha1 = digestOfBytes(bytes, 'sha1')
const md5 = digestOfBytes(bytes, 'md5')
// From the shell: printf 'hello world' | openssl dgst -sha256 -binary | base64
const base64 = 'uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek='

test('the fields hold the raw hash in base64, as each RFC spells it', () => {
  expect(printDigest([sha256])).toBe(`SHA-256=${base64}`)
  expect(printReprDigest([sha256])).toBe(`sha-256=:${base64}:`)
  expect(printDigest([sha256, md5])).toBe(`SHA-256=${base64},MD5=XrY7u+Ae7tCTyyK7j1rNww==`)
  expect(printReprDigest([sha256, md5])).toBe(`sha-256=:${base64}:, md5=:XrY7u+Ae7tCTyyK7j1rNww==:`)
})

test('what is written is what is read, in one field or several', () => {
  const digests = fc
    .array(fc.tuple(fc.constantFrom(...algorithms), fc.uint8Array()), { maxLength: 4 })
    .map((list) => list.map(([algorithm, content]) => digestOfBytes(content, algorithm)))
  fc.assert(
    fc.property(digests, (list) => {
      expect(parseDigestField(printDigest(list))).toEqual(list)
      expect(parseReprDigest(printReprDigest(list))).toEqual(list)
      expect(parseDigestField(list.map((digest) => printDigest([digest])))).toEqual(list)
      expect(parseReprDigest(list.map((digest) => printReprDigest([digest])))).toEqual(list)
    }),
  )
})

const hexInBase64 = Buffer.from(sha256.slice(7)).toString('base64')
describe('Digest', () => {
  test.each([
    { field: `sha-256=${base64}`, want: [sha256] },
    { field: ` crc32c=AAAAAA== , SHA-256=${base64} `, want: [sha256] },
    { field: `SHA-256=${hexInBase64}`, want: [] },
    { field: `SHA-256=${base64.slice(0, -2)}`, want: [] },
    { field: `SHA-256=:${base64}:`, want: [] },
    { field: 'SHA-256=', want: [] },
    { field: 'SHA-256', want: [] },
    { field: `=${base64}`, want: [] },
    { field: `SHA-512=${base64}`, want: [] },
    { field: '', want: [] },
  ])('$field', ({ field, want }) => expect(parseDigestField(field)).toEqual(want))

  test('may be missing', () => expect([parseDigestField(undefined), parseReprDigest(undefined)]).toEqual([[], []]))
})

describe('Repr-Digest', () => {
  test.each([
    { field: `sha-256=:${base64}:;a=1, unixsum=:AA==:`, want: [sha256] },
    { field: `sha-256=${base64}`, want: [] },
    { field: `sha-256=:${hexInBase64}:`, want: [] },
    { field: 'sha-256=::', want: [] },
    { field: 'sha-256=1', want: [] },
  ])('$field', ({ field, want }) => expect(parseReprDigest(field)).toEqual(want))
})

describe('a wish for digests', () => {
  test.each([
    { field: 'SHA-512;q=1, SHA-256;q=1, SHA;q=0.1', want: ['sha512', 'sha256', 'sha1'] },
    { field: 'md5', want: ['md5'] },
    { field: 'MD5 ; q=0, sha-512;q=0.0', want: [] },
    { field: 'crc32c, rubbish;;, ;q=1', want: [] },
    { field: '', want: [] },
  ])('Want-Digest: $field', ({ field, want }) => expect([...parseWantDigest(field)]).toEqual(want))

  test.each([
    { field: 'sha-256=1, sha-512=10', want: ['sha256', 'sha512'] },
    { field: 'sha-512=0, md5=3;x', want: ['md5'] },
    { field: 'sha-512, sha-512=high, =3', want: [] },
  ])('Want-Repr-Digest: $field', ({ field, want }) => expect([...parseWantReprDigest(field)]).toEqual(want))

  test.each([
    { known: [sha512, sha256, md5], wants: '', sent: [sha256] },
    { known: [sha512, sha256, md5], wants: 'sha-512, md5', sent: [sha256, sha512, md5] },
    { known: [sha256], wants: 'sha-512', sent: [sha256] },
    { known: [sha256], wants: 'sha-256;q=0', sent: [sha256] },
    { known: [sha512], wants: '', sent: [sha512] },
    { known: [md5, sha1], wants: '', sent: [] },
    { known: [md5, sha1], wants: 'sha', sent: [sha1] },
  ])('of $known, "$wants" gets $sent', ({ known, wants, sent }) => {
    expect(chooseDigests(known, parseWantDigest(wants))).toEqual(sent)
  })
})
