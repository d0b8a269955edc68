import { expect, test } from 'vitest'
import type { BlobSignature } from '../../../src/model/facts.ts'
import { parseSignature, printSignature } from '../../../src/store/signature-format.ts'
import { fingerprints, readOpenPgpFile } from '../../kit/openpgp.ts'

const armored = readOpenPgpFile('signed.txt.asc').trim()
const signature: BlobSignature = {
  armored,
  by: 'publisher',
  keys: [fingerprints.publisher, fingerprints.site],
  keptAt: 1_700_000_000_000,
}

test.each<[string, BlobSignature]>([
  ['a publisher that was verified', signature],
  ['a publisher that was not', { ...signature, keys: [] }],
  ['the site', { ...signature, by: 'site', keys: [fingerprints.site] }],
])('a signature by %s is read as it was written', (_, one) => {
  expect(parseSignature(printSignature(one))).toEqual(one)
})

test('what is written is still a signature to everybody else: all that is added is a comment in the armor', () => {
  const lines = printSignature(signature).split('\n')
  expect(lines.filter((line) => !line.startsWith('Comment: ')).join('\n')).toBe(`${armored}\n`)
})

test.each([
  ['nothing', ''],
  ['one without our comment', `${armored}\n`],
  ['one with somebody else’s', printSignature(signature).replace('Forebay', 'GPGTools')],
  ['one that is cut short', printSignature(signature).slice(0, 300)],
  ['one with a second behind it', printSignature(signature) + printSignature(signature)],
  ['an unknown maker', printSignature(signature).replace('publisher', 'stranger')],
])('%s is damaged', (_, text) => {
  expect(parseSignature(text)).toBeUndefined()
})
