import { expect, test } from 'vitest'
import { printDigest, printReprDigest } from '../../../src/formats/digest-headers.ts'
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
