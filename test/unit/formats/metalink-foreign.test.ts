import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseMetalink } from '../../../src/formats/metalink.ts'
import { parseMetalink3 } from '../../../src/formats/metalink3.ts'
import { parseMetalink4 } from '../../../src/formats/metalink4.ts'
import { isFault } from '../../../src/model/fault.ts'

const bytesOf = (name: string) => readFileSync(new URL(`../../fixtures/metalink/${name}`, import.meta.url))
const read = (name: string) => parseMetalink(bytesOf(name), `https://upstream.example/${name}`)
const digest = (algorithm: string, seed: string) => `${algorithm}:${createHash(algorithm).update(seed).digest('hex')}`

test('MirrorBrain: a publisher where none belongs, a magnet, weak pieces and a signature do not disturb', () => {
  const { files, ignored, ...document } = read('mirrorbrain.meta4')
  expect(document).toEqual({
    generator: 'MirrorBrain/2.19.0',
    origin: 'http://download.example.org/iso/Leap-DVD-x86_64.iso.meta4',
    published: Date.UTC(2024, 2, 1, 9, 30),
    updated: undefined,
  })
  const { signature, ...file } = files[0]!
  expect(file).toEqual({
    name: 'Leap-DVD-x86_64.iso',
    size: 600_000,
    digests: [digest('sha256', 'mb'), digest('sha1', 'mb'), digest('md5', 'mb')],
    pieces: undefined,
    urls: [
      { url: 'http://ftp.uni.example.net/pub/iso/Leap-DVD-x86_64.iso', priority: 1, country: 'de' },
      { url: 'https://mirror.example.com/iso/Leap-DVD-x86_64.iso', priority: 3, country: 'us' },
    ],
    identity: undefined,
    version: undefined,
  })
  expect(signature).toMatch(/^-----BEGIN PGP SIGNATURE-----\n[\s\S]*\n-----END PGP SIGNATURE-----$/)
  expect(ignored).toEqual(['a ftp: URL'])
})

test('MirrorCache: countries in capitals, an empty one, and all four hashes', () => {
  const { files, ignored } = read('mirrorcache.meta4')
  expect(files[0]).toMatchObject({ name: 'fonts.rpm', size: 1_048_576 })
  expect(files[0]!.digests).toEqual(['sha256', 'sha512', 'sha1', 'md5'].map((algorithm) => digest(algorithm, 'mc')))
  expect(files[0]!.urls.map(({ country }) => country)).toEqual(['cz', 'de', undefined])
  expect(ignored).toEqual([])
})

test('Rucio: many files, storage names for countries, schemes of its own', () => {
  const { files, ignored } = read('rucio.meta4')
  expect(files.map(({ name, size, digests, identity }) => ({ name, size, digests, identity }))).toEqual(
    ['hits.0001.root', 'hits.0002.root'].map((name) => ({
      name,
      size: 14_000,
      digests: [digest('md5', name)],
      identity: `user.lab:${name}`,
    })),
  )
  expect(files.map(({ urls }) => urls)).toEqual([
    [{ url: 'https://dcache.example.ch/pnfs/user/lab/hits.0001.root', priority: 2 }],
    [{ url: 'https://dcache.example.ch/pnfs/user/lab/hits.0002.root', priority: 1 }],
  ])
  expect(ignored).toEqual(['a root: URL', 'a davs: URL', 'a root: URL', 'a davs: URL'])
})

describe('MirrorManager, in the older dialect', () => {
  test('preferences become priorities; hashes of alternate versions are not those of the file', () => {
    const { files, ignored, ...document } = read('mirrormanager.metalink')
    expect(document).toEqual({
      generator: 'mirrormanager',
      origin: undefined,
      published: Date.UTC(2025, 10, 5, 13, 7, 41),
      updated: undefined,
    })
    const tail = 'linux/releases/42/Everything/x86_64/os/repodata/repomd.xml'
    expect(files).toEqual([
      {
        name: 'repomd.xml',
        size: 5318,
        digests: ['sha256', 'sha512', 'sha1', 'md5'].map((algorithm) => digest(algorithm, 'mm')),
        pieces: undefined,
        urls: [
          { url: `https://mirror.example.se/${tail}`, priority: 1, country: 'se' },
          { url: `http://mirror.example.se/${tail}`, priority: 2, country: 'se' },
          { url: `http://ftp.example.fi/${tail}`, priority: 3, country: 'fi' },
          { url: `https://far.example.au/${tail}`, priority: 100, country: 'au' },
        ],
        identity: undefined,
        version: undefined,
        signature: undefined,
      },
    ])
    expect(ignored).toEqual(['a rsync: URL'])
  })

  test('neither dialect is taken for the other', () => {
    const why = (parse: typeof parseMetalink4, name: string) => {
      try {
        return parse(bytesOf(name), 'https://upstream.example/')
      } catch (error) {
        return isFault(error, 'upstream-invalid') ? error.details.why : error
      }
    }
    expect(why(parseMetalink4, 'mirrormanager.metalink')).toMatch(/not a metalink 4/)
    expect(why(parseMetalink3, 'rucio.meta4')).toMatch(/not a metalink 3/)
  })
})

describe('the older dialect', () => {
  const sha256 = createHash('sha256').update('x').digest('hex')
  const document = (urls: string, verification = '') =>
    Buffer.from(
      `<metalink version="3.0" xmlns="http://www.metalinker.org/" origin="http://a.example/x.metalink" refreshdate="Wed, 05 Nov 2025 15:07:41 +0200">
         <files><file name="x"><version>1</version><size>3</size><verification>${verification}</verification><resources>${urls}</resources></file></files>
       </metalink>`,
    )
  const file = (urls: string, verification?: string) => parseMetalink3(document(urls, verification), 'here').files[0]!

  test.each([
    ['100', 1],
    ['1', 100],
    ['0', 100],
    ['250', 1],
    ['', 999_999],
    ['best', 999_999],
  ])('preference "%s" is priority %d', (preference, priority) => {
    expect(file(`<url type="http" preference="${preference}">http://a.example/x</url>`).urls).toEqual([
      { url: 'http://a.example/x', priority },
    ])
  })

  test('a torrent is not a place, though it is fetched by http', () => {
    expect(file('<url type="bittorrent">http://a.example/x.torrent</url><url>http://a.example/x</url>').urls).toHaveLength(1)
  })

  test('pieces are read where sha256', () => {
    const pieces = (type: string) =>
      `<pieces type="${type}" length="2"><hash piece="0">${sha256}</hash><hash piece="1">${sha256}</hash></pieces>`
    const both = pieces('sha1') + pieces('sha256')
    expect(file('', both).pieces).toEqual({
      length: 2,
      algorithm: 'sha256',
      hashes: new Uint8Array(Buffer.from(sha256 + sha256, 'hex')),
    })
  })

  test('origin, refresh date and version are kept', () => {
    const { origin, updated, files } = parseMetalink3(document(''), 'here')
    expect([origin, updated, files[0]!.version]).toEqual(['http://a.example/x.metalink', Date.UTC(2025, 10, 5, 13, 7, 41), '1'])
  })

  test('the limits are the same', () => {
    expect(() => file('<url>http://a.example/x</url>'.repeat(33))).toThrow(/33 URLs/)
    expect(() => parseMetalink3(Buffer.from(document('').toString().replace('name="x"', 'name="../x"')), 'here')).toThrow(
      /file name/,
    )
  })
})
