import { describe, expect, test } from 'vitest'
import { parseMetalink4, printMetalink4 } from '../../../src/formats/metalink4.ts'
import { digestOfBytes } from '../../kit/blobs.ts'
import { sampleDocument, sampleSignature, somePieces } from '../../kit/metalink-documents.ts'

const read = (text: string) => parseMetalink4(Buffer.from(text), 'https://upstream.example/x.meta4')
const urlsOf = (text: string) => read(text).files[0]!.urls
const sample = printMetalink4(sampleDocument())
const digest = digestOfBytes(Buffer.from('sample'))

describe('a document read', () => {
  test('may have any prefix', () => {
    const text = sample
      .replace('xmlns=', 'xmlns:m=')
      .replaceAll(/<(\/?)([a-z])/g, '<$1m:$2')
      .replace('<m:xml', '<xml')
    expect(read(text)).toEqual(read(sample))
  })

  test('keeps places in order of priority, equal and missing ones as they come, the missing last', () => {
    const urls = [
      '<url>https://a.example/1</url>',
      '<url priority="7">https://a.example/2</url>',
      '<url priority="0">https://a.example/3</url>',
      '<url priority="2">https://a.example/4</url>',
      '<url priority="7">https://a.example/5</url>',
      '<url priority="high">https://a.example/6</url>',
    ]
    const text = sample.replace(/<url priority="2".*<\/url>/, urls.join('')).replace(/<url location.*<\/url>/, '')
    expect(urlsOf(text).map(({ url, priority }) => [url.at(-1), priority])).toEqual([
      ['4', 2],
      ['2', 7],
      ['5', 7],
      ['1', 999_999],
      ['3', 999_999],
      ['6', 999_999],
    ])
  })

  test.each([
    ['ftp://a.example/x', 'a ftp: URL'],
    ['file:///etc/passwd', 'a file: URL'],
    ['magnet:?xt=urn:x', 'a magnet: URL'],
    ['javascript:alert(1)', 'a javascript: URL'],
    ['/relative', 'a URL that is not absolute'],
    ['https://user:secret@a.example/x', 'a URL with a user or password in it'],
    ['https://user@a.example/x', 'a URL with a user or password in it'],
    ['https://:secret@a.example/x', 'a URL with a user or password in it'],
    ['https://', 'a URL that is not absolute'],
  ])('loses the place %s and says why', (url, why) => {
    const text = sample.replace('https://mirror.example/sample.sif', url)
    expect(urlsOf(text)).toHaveLength(1)
    expect(read(text).ignored).toEqual([why])
  })

  test.each(['', ' ', '\n\t '])('loses the empty place %j without a word', (url) => {
    const text = sample.replace('https://mirror.example/sample.sif', url)
    expect([urlsOf(text).length, read(text).ignored]).toEqual([1, []])
  })

  test('has blanks around URLs, hashes and sizes taken off, and countries in lower case', () => {
    const text = sample
      .replace(/>([^<\s][^<]*)</g, '>\n  $1\t<')
      .replace('location="de"', 'location="DE"')
      .replace(digest.slice(7), digest.slice(7).toUpperCase())
    expect(read(text)).toEqual(read(sample))
  })

  test('keeps no country that is none', () => {
    expect(urlsOf(sample.replace('location="de"', 'location="SITE-A"'))[0]).not.toHaveProperty('country')
  })

  test.each([
    { name: 'SHA-256', kept: ['sha256'] },
    { name: 'sha256', kept: ['sha256'] },
    { name: 'sha-384', kept: [] },
    { name: '', kept: [] },
  ])('knows the hash name "$name": $kept', ({ name, kept }) => {
    const { digests } = read(sample.replace('type="sha-256"', `type="${name}"`)).files[0]!
    expect(digests.map((one) => one.split(':')[0])).toEqual(kept)
  })

  test.each([
    ['one digit short', (hash: string) => hash.slice(1)],
    ['not in hex', (hash: string) => `g${hash.slice(1)}`],
  ])('loses a hash that is %s', (_name, spoil) => {
    const file = read(sample.replace(`>${digest.slice(7)}<`, `>${spoil(digest.slice(7))}<`))
    expect([file.files[0]!.digests, file.ignored.length]).toEqual([[], 1])
  })

  describe('with pieces', () => {
    const text = printMetalink4(sampleDocument({ pieces: somePieces(2_500_000, 1_000_000) }))
    const last = /<hash>[0-9a-f]{64}<\/hash>(?=\n {4}<\/pieces>)/

    test.each([
      ['one is missing', text.replace(last, '')],
      ['one is too many', text.replace(last, '$&$&')],
      ['one is short', text.replace(last, '<hash>abc</hash>')],
      ['one is empty', text.replace(last, '<hash/>')],
      ['the length is none', text.replace('length="1000000"', 'length="many"')],
      ['the length is 0', text.replace('length="1000000"', 'length="0"')],
      ['the size is missing', text.replace(/<size>.*<\/size>/, '')],
    ])('does without them when %s', (_name, spoiled) => {
      const { files, ignored } = read(spoiled)
      expect([files[0]!.pieces, ignored.length, files[0]!.urls.length]).toEqual([undefined, 1, 2])
    })

    test('skips a weaker set for the sha-256 one', () => {
      const weaker = '<pieces length="2500000" type="sha-1"><hash>da39a3ee5e6b4b0d3255bfef95601890afd80709</hash></pieces>'
      expect(read(text.replace('<pieces', `${weaker}<pieces`))).toEqual(read(text))
    })
  })

  test('keeps a signature of OpenPGP and no other', () => {
    const text = printMetalink4(sampleDocument({ signature: sampleSignature }))
    expect(read(text).files[0]!.signature).toBe(sampleSignature)
    expect(read(text.replace('pgp-signature', 'pkcs7-signature')).files[0]!.signature).toBeUndefined()
    expect(read(text.replace('BEGIN PGP SIGNATURE', 'BEGIN SIGNATURE')).files[0]!.signature).toBeUndefined()
    expect(read(text.replace('\n=', `${'\nAAAA'.repeat(20_000)}\n=`)).files[0]!.signature).toBeUndefined()
  })

  test('is not sent on to further documents', () => {
    const text = sample.replace(
      '</file>',
      '<metaurl mediatype="application/metalink4+xml">https://a.example/y.meta4</metaurl></file>',
    )
    expect(read(text)).toEqual(read(sample))
  })

  test('may hold elements and attributes of others', () => {
    const text = sample
      .replace('<file ', '<x:file xmlns:x="urn:x" name="no"><x:url>https://evil.example/</x:url></x:file><file ')
      .replace('name="sample.sif"', '$& xmlns:y="urn:y" y:name="no"')
      .replace('<size>', '<size xmlns="urn:z">7</size><size>')
    expect(read(text)).toEqual(read(sample))
  })

  test('has dates of RFC 3339 or none', () => {
    expect(read(sample.replace('2026-01-03T00:00:00Z', '2026-01-03T02:00:00.5+02:00')).updated).toBe(
      Date.UTC(2026, 0, 3, 0, 0, 0, 500),
    )
    expect(read(sample.replace('2026-01-03T00:00:00Z', 'yesterday')).updated).toBeUndefined()
  })
})
