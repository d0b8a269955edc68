import { expect, test } from 'vitest'
import { digestInHash, printHash } from '../../../src/formats/image-hash.ts'
import { blob, digestOfBytes } from '../../kit/blobs.ts'
import { idOf } from '../../kit/bytes.ts'

const sha256 = blob(10).digest.slice('sha256:'.length)
const md5 = digestOfBytes(Buffer.from('x'), 'md5').slice('md5:'.length)

test.each([
  [`sha256.${sha256}`, `sha256:${sha256}`],
  [`sha256:${sha256}`, `sha256:${sha256}`],
  [`sha256.${sha256.toUpperCase()}`, `sha256:${sha256}`],
  [sha256, `sha256:${sha256}`],
  [`md5.${md5}`, `md5:${md5}`],
  [md5, `md5:${md5}`],
])('%s is the digest %s', (text, digest) => expect(digestInHash(text)).toBe(digest))

test.each([
  '',
  'sha256.',
  `sha256.${sha256.slice(1)}`,
  `sha256.${md5}`,
  `md5.${sha256}`,
  `SHA256.${sha256}`,
  `sha1.${sha256.slice(24)}`,
  sha256.slice(24), // a commit
  'sif.12345678-1234-4234-8234-123456789abc',
  ` ${sha256}`,
  `${sha256}\n`,
  'constructor.00',
])('%j is none', (text) => expect(digestInHash(text)).toBeUndefined())

test('it is printed in the one form that clients take', () => {
  const id = idOf(blob(10))
  expect(printHash(id)).toBe(`sha256.${sha256}`)
  expect(digestInHash(printHash(id))).toBe(id)
})
