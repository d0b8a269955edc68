import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checksumOf, parseChecksums } from '../../../src/formats/checksums.ts'
import { blob, digestOfBytes } from '../../kit/blobs.ts'

const bytes = blob(10).bytes
const hex = (algorithm: 'md5' | 'sha1' | 'sha256' | 'sha512') => digestOfBytes(bytes, algorithm).split(':')[1]!
const sha256 = hex('sha256')
const other = 'ab'.repeat(32)

describe('a line of checksums', () => {
  test.each([
    ['of sha256sum', `${sha256}  x.sif`, 'x.sif', 'sha256'],
    ['of sha256sum -b', `${sha256} *x.sif`, 'x.sif', 'sha256'],
    ['of sha512sum', `${hex('sha512')}  x.sif`, 'x.sif', 'sha512'],
    ['of sha1sum', `${hex('sha1')}  x.sif`, 'x.sif', 'sha1'],
    ['of md5sum', `${hex('md5')}  x.sif`, 'x.sif', 'md5'],
    ['with a tab', `${sha256}\tx.sif`, 'x.sif', 'sha256'],
    ['of a name with blanks', `${sha256}   a b .sif `, ' a b .sif ', 'sha256'],
    ['of Windows', `${sha256}  x.sif\r`, 'x.sif', 'sha256'],
    ['in capitals', `${sha256.toUpperCase()}  x.sif`, 'x.sif', 'sha256'],
    ['of sha256sum, with an escaped name', `\\${sha256}  a\\nb\\\\c`, 'a\nb\\c', 'sha256'],
    ['of BSD', `SHA256 (x (1).sif) = ${sha256}`, 'x (1).sif', 'sha256'],
    ['of BSD in sha512', `SHA512 (x.sif) = ${hex('sha512')}`, 'x.sif', 'sha512'],
    ['of BSD in md5', `MD5 (x.sif) = ${hex('md5')}`, 'x.sif', 'md5'],
    ['of BSD, with an escaped name', `\\SHA256 (a\\\\b) = ${sha256}`, 'a\\b', 'sha256'],
    ['of OpenSSL 1', `SHA256(x.sif)= ${sha256}`, 'x.sif', 'sha256'],
    ['of OpenSSL 3', `SHA2-256(x.sif)= ${sha256}`, 'x.sif', 'sha256'],
    ['of OpenSSL 3 in sha512', `SHA2-512(x.sif)= ${hex('sha512')}`, 'x.sif', 'sha512'],
    ['alone', `${sha256}\n`, undefined, 'sha256'],
    ['after a mark of Unicode', `\ufeff${sha256}  x.sif`, 'x.sif', 'sha256'],
  ] as const)('%s is read', (_name, line, name, algorithm) => {
    expect(parseChecksums(line)).toEqual([{ name, digest: `${algorithm}:${hex(algorithm)}` }])
  })

  test.each([
    '',
    '# SHA256',
    '-----BEGIN PGP SIGNED MESSAGE-----',
    'Hash: SHA512',
    `${sha256}x  x.sif`,
    `${sha256.slice(1)}  x.sif`,
    `${sha256} x.sif`,
    `SHA512 (x.sif) = ${sha256}`,
    `BLAKE2b (x.sif) = ${hex('sha512')}`,
    `SHA512/256 (x.sif) = ${sha256}`,
    `SHA3-256 (x.sif) = ${sha256}`,
    `CONSTRUCTOR (x.sif) = ${sha256}`,
    `${sha256}  ${'x'.repeat(10_000)}`,
    '<html>',
  ])('%j is none', (line) => expect(parseChecksums(line)).toEqual([]))
})

describe('the digest of a file', () => {
  const sums = `-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n${other}  y.sif\n${sha256}  x.sif\n-----BEGIN PGP SIGNATURE-----\n`

  test('is found by its name', () => {
    expect(checksumOf(parseChecksums(sums), 'x.sif')).toBe(`sha256:${sha256}`)
    expect(checksumOf(parseChecksums(sums), 'z.sif')).toBeUndefined()
    expect(checksumOf(parseChecksums(sums), 'if')).toBeUndefined()
  })

  test('is found below a folder, unless there is one right here', () => {
    expect(checksumOf(parseChecksums(`${sha256}  ./x.sif`), 'x.sif')).toBe(`sha256:${sha256}`)
    expect(checksumOf(parseChecksums(`${sha256}  out/2.0/x.sif`), 'x.sif')).toBe(`sha256:${sha256}`)
    expect(checksumOf(parseChecksums(`${other}  old/x.sif\n${sha256}  x.sif`), 'x.sif')).toBe(`sha256:${sha256}`)
  })

  test('is the only hash in a file that names none', () => {
    expect(checksumOf(parseChecksums(`${sha256}\n`), 'x.sif')).toBe(`sha256:${sha256}`)
    expect(checksumOf(parseChecksums(`${sha256}\n${other}\n`), 'x.sif')).toBeUndefined()
    expect(checksumOf(parseChecksums(`${sha256}\n${hex('md5')}  y.sif`), 'x.sif')).toBeUndefined()
  })

  test('is the strongest', () => {
    const lines = [`MD5 (x) = ${hex('md5')}`, `SHA512 (x) = ${hex('sha512')}`, `SHA256 (x) = ${sha256}`]
    expect(checksumOf(parseChecksums(lines.join('\n')), 'x')).toBe(`sha512:${hex('sha512')}`)
  })

  test('is not told where two lines contradict each other', () => {
    expect(checksumOf(parseChecksums(`${sha256}  x\n${sha256}  x`), 'x')).toBe(`sha256:${sha256}`)
    expect(checksumOf(parseChecksums(`${sha256}  x\n${other}  x`), 'x')).toBeUndefined()
  })
})

test('what sha256sum writes of any name is read as it was', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1 }), (name) => {
      const escaped = name.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
      const line = `${escaped === name ? '' : '\\'}${sha256}  ${escaped}`
      expect(parseChecksums(`${line}\n`)).toEqual([{ name, digest: `sha256:${sha256}` }])
    }),
  )
})

test('any text is read', () => {
  const part = fc.constantFrom(sha256, hex('md5'), ' ', '  ', ' *', '\\', '\n', '\r', '(', ') = ', 'SHA256', '\t', 'x')
  fc.assert(fc.property(fc.array(part), (parts) => parseChecksums(parts.join('')).length >= 0))
  expect(parseChecksums(`${sha256}  x\n`.repeat(200_000)).length).toBeLessThanOrEqual(100_000)
})
