import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { MetalinkDocument } from '../../../src/formats/metalink-document.ts'
import { parseMetalink4, printMetalink4 } from '../../../src/formats/metalink4.ts'
import { isFault } from '../../../src/model/fault.ts'
import { digestOfBytes } from '../../kit/blobs.ts'
import { anyDocument, ownUrl, sampleDocument, somePieces } from '../../kit/metalink-documents.ts'
import { lintMetalink } from '../../kit/metalink-lint.ts'
import { hasXmllint, refusedBySchema } from '../../kit/metalink-schema.ts'

const from = 'https://upstream.example/x.meta4'
const read = (text: string) => parseMetalink4(Buffer.from(text), from)
const sample = printMetalink4(sampleDocument())
const digest = digestOfBytes(Buffer.from('sample'))

describe('a document written', () => {
  test('is this text', () => {
    const hash = digest.slice(7)
    expect(sample).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
  <generator>forebay/1.2.3</generator>
  <origin dynamic="true">https://cache.site.example/metalink/hub/lab/sample:latest.meta4</origin>
  <published>2026-01-02T03:04:05Z</published>
  <updated>2026-01-03T00:00:00Z</updated>
  <file name="sample.sif">
    <identity>lab/sample</identity>
    <version>latest</version>
    <size>2500000</size>
    <hash type="sha-256">${hash}</hash>
    <url location="de" priority="1">https://cache.site.example/blobs/sha256/${hash}</url>
    <url priority="2">https://mirror.example/sample.sif</url>
  </file>
</metalink>
`)
  })

  test('lists the pieces as hex, in order', () => {
    const pieces = somePieces(2_500_000, 1_000_000)
    const text = printMetalink4(sampleDocument({ pieces }))
    const hex = Buffer.from(pieces.hashes).toString('hex')
    expect(text).toContain(
      `<pieces length="1000000" type="sha-256">\n      <hash>${hex.slice(0, 64)}</hash>\n      <hash>${hex.slice(64, 128)}</hash>\n      <hash>${hex.slice(128)}</hash>\n    </pieces>`,
    )
  })

  test('has sha-256 first, sha-512 after it, and nothing weaker', () => {
    const bytes = Buffer.from('sample')
    const digests = (['md5', 'sha512', 'sha1', 'sha256'] as const).map((algorithm) => digestOfBytes(bytes, algorithm))
    const text = printMetalink4(sampleDocument({ digests }))
    expect([...text.matchAll(/<hash type="([^"]+)">/g)].map(([, type]) => type)).toEqual(['sha-256', 'sha-512'])
  })

  test('may list a file tree', () => {
    const urls = [
      { url: `${ownUrl}blobs/x`, priority: 1 },
      { url: 'file:///cvmfs/images.example/x.sif', priority: 2 },
    ]
    const text = printMetalink4(sampleDocument({ urls }))
    expect(lintMetalink(text, { own: ownUrl, trees: ['file:///cvmfs/'] })).toEqual([])
    expect(lintMetalink(text, { own: ownUrl })).toHaveLength(1)
    expect(
      read(text).files[0]!.urls.map(({ url }) => url),
      'nobody else is believed about our files',
    ).toEqual([`${ownUrl}blobs/x`])
  })

  const one = (changes: Parameters<typeof sampleDocument>[0]) => sampleDocument(changes)
  const url = (text: string) => one({ urls: [{ url: text, priority: 1 }] })
  const file = sampleDocument().files[0]!
  const mistakes: { name: string; document: MetalinkDocument }[] = [
    ...[
      '',
      '/etc/passwd',
      '../x',
      'a/../b',
      './x',
      'a/',
      'a//b',
      'a\\b',
      'a b',
      'a%2fb',
      'a&b',
      'c:x',
      '.hidden',
      'ü',
      'a\n',
      `${'a'.repeat(256)}`,
    ].map((name) => ({ name: `a file named ${JSON.stringify(name).slice(0, 20)}`, document: one({ name }) })),
    ...[
      '',
      'ftp://a.example/x',
      '/x',
      'https://user@a.example/x',
      'https://a.example/x y',
      'https://a.example/"x"',
      'https://a.example/x#y',
      'https://a.example',
      'https://a.example/<x>',
      'file://host/x',
      ' https://a.example/x',
      'https://a.example/x\n',
    ].map((text) => ({ name: `the URL ${JSON.stringify(text)}`, document: url(text) })),
    { name: 'no URL', document: one({ urls: [] }) },
    { name: 'a priority that is not its place', document: one({ urls: [{ url: `${ownUrl}x`, priority: 2 }] }) },
    { name: 'a country in capitals', document: one({ urls: [{ url: `${ownUrl}x`, priority: 1, country: 'DE' }] }) },
    { name: 'no sha256', document: one({ digests: [digestOfBytes(Buffer.from('x'), 'sha512')] }) },
    { name: 'too few pieces', document: one({ pieces: somePieces(2_000_000, 1_000_000) }) },
    { name: 'pieces of length 0', document: one({ pieces: { ...somePieces(1, 1), length: 0 } }) },
    { name: 'a piece of 2 GiB', document: one({ pieces: somePieces(2_500_000, 2 ** 31) }) },
    { name: 'pieces of nothing', document: one({ size: 0, pieces: { ...somePieces(1, 1), hashes: new Uint8Array() } }) },
    { name: 'a negative size', document: one({ size: -1 }) },
    { name: 'half a byte', document: one({ size: 0.5 }) },
    { name: 'a version with a control character', document: one({ version: 'a\0b' }) },
    { name: 'a version with half a character', document: one({ version: '\ud800' }) },
    { name: 'a padded identity', document: one({ identity: ' x' }) },
    { name: 'a signature that is none', document: one({ signature: 'signed, me' }) },
    { name: 'no file', document: { ...sampleDocument(), files: [] } },
    { name: 'two files of one name', document: { ...sampleDocument(), files: [file, file] } },
    { name: 'a generator with a blank', document: { ...sampleDocument(), generator: 'forebay 1' } },
    { name: 'a relative origin', document: { ...sampleDocument(), origin: '/x.meta4' } },
    { name: 'no date', document: { ...sampleDocument(), updated: Number.NaN } },
  ]
  test.each(mistakes)('is refused with $name', ({ document }) => {
    let thrown: unknown
    try {
      printMetalink4(document)
    } catch (error) {
      thrown = error
    }
    expect(isFault(thrown, 'internal'), String(thrown)).toBe(true)
  })
})

describe('any document', () => {
  test('reads back as it was and prints as the same text', () => {
    fc.assert(
      fc.property(anyDocument, (document) => {
        const text = printMetalink4(document)
        const { ignored, ...back } = read(text)
        expect(ignored).toEqual([])
        expect(plainBytes(back)).toEqual(plainBytes(document))
        expect(printMetalink4(back as MetalinkDocument)).toBe(text)
      }),
    )
  })

  test('passes the lint', () => {
    fc.assert(
      fc.property(anyDocument, (document) => void expect(lintMetalink(printMetalink4(document), { own: ownUrl })).toEqual([])),
    )
  })

  test.skipIf(!hasXmllint())('is valid against the schema of RFC 5854 (needs xmllint)', () => {
    const documents = fc.sample(anyDocument, 50).map(printMetalink4)
    const { refused, said } = refusedBySchema([...documents, sample, sample.replace('priority="1"', 'priority="0"')])
    expect(refused, said).toEqual([51])
  })
})

/** Leaves out what is undefined, and shows bytes as hex, so that a Buffer equals its bytes. */
function plainBytes(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_key, part) => (part?.hashes ? { ...part, hashes: Buffer.from(part.hashes).toString('hex') } : part)),
  )
}
