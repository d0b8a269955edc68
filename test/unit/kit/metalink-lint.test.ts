import { describe, expect, test } from 'vitest'
import { printMetalink4 } from '../../../src/formats/metalink4.ts'
import { ownUrl, sampleDocument, sampleSignature, somePieces } from '../../kit/metalink-documents.ts'
import { lintMetalink } from '../../kit/metalink-lint.ts'

const good = printMetalink4(sampleDocument({ pieces: somePieces(2_500_000, 1_000_000), signature: sampleSignature }))
const lint = (text: string) => lintMetalink(text, { own: ownUrl })
const file = /( {2}<file[\s\S]*<\/file>\n)/
const url = /( {4}<url priority.*\n)/

test('a good document has no mistake', () => expect(lint(good)).toEqual([]))

describe('the lint finds', () => {
  test.each<[string, (text: string) => string, RegExp]>([
    ['a doctype', (text) => text.replace('<metalink', '<!DOCTYPE m>\n<metalink'), /DOCTYPE/],
    ['a style sheet', (text) => text.replace('<metalink', '<?xml-stylesheet href="x"?>\n<metalink'), /DOCTYPE/],
    ['another namespace', (text) => text.replace('ns:metalink', 'ns:meta'), /namespace/],
    ['a foreign element', (text) => text.replace('<file', '<x xmlns="urn:x">y</x><file'), /foreign/],
    ['padded text', (text) => text.replace('<url priority="2">', '$& '), /blanks/],
    ['a padded size', (text) => text.replace('<size>', '<size> '), /blanks/],
    ['a generator of two words', (text) => text.replace('forebay/', 'fore bay/'), /generator/],
    ['two generators', (text) => text.replace(/.*<generator.*\n/, '$&$&'), /generator/],
    ['a date without a zone', (text) => text.replace('05Z', '05'), /published/],
    ['no updated', (text) => text.replace(/.*<updated.*\n/, ''), /updated/],
    ['an origin elsewhere', (text) => text.replace('site.example/metalink', 'evil.example/metalink'), /origin/],
    ['a still origin', (text) => text.replace(' dynamic="true"', ''), /dynamic/],
    ['no file', (text) => text.replace(file, ''), /no file/],
    ['a file twice', (text) => text.replace(file, '$1$1'), /one name/],
    ['a name with dots', (text) => text.replace('"sample.sif"', '"../x"'), /not plain/],
    ['no size', (text) => text.replace(/.*<size.*\n/, ''), /no size/],
    ['no hash', (text) => text.replace(/.*<hash type.*\n/, ''), /first hash/],
    ['a hash without type', (text) => text.replace('<hash type="sha-256">', '<hash>'), /first hash/],
    [
      'a hash in capitals',
      (text) => text.replace(/(?<=<hash type="sha-256">)[0-9a-f]+/, (hex) => hex.toUpperCase()),
      /first hash/,
    ],
    [
      'a weak second hash',
      (text) => text.replace('    <pieces', '<hash type="md5">d41d8cd98f00b204e9800998ecf8427e</hash><pieces'),
      /second/,
    ],
    ['a piece too few', (text) => text.replace(/ +<hash>.*\n/, ''), /do not cover/],
    ['a piece with a type', (text) => text.replace('<hash>', '<hash type="sha-256">'), /odd piece/],
    ['weak pieces', (text) => text.replace(/(?<=<pieces.*)sha-256/, 'sha-1'), /another type/],
    [
      'a metaurl',
      (text) => text.replace('</file>', '<metaurl mediatype="torrent">https://a.example/</metaurl></file>'),
      /metaurl/,
    ],
    ['no URL of ours', (text) => text.replace(/.*<url location.*\n/, ''), /our own/],
    ['a gap in priorities', (text) => text.replace('priority="2"', 'priority="3"'), /priority 3/],
    ['the best last', (text) => text.replace(/( +<url location.*\n)( +<url.*\n)/, '$2$1'), /priority 2/],
    ['a URL twice', (text) => text.replace(url, '$1$1'), /twice/],
    ['a country in capitals', (text) => text.replace('"de"', '"DE"'), /location/],
    ['a relative URL', (text) => text.replace('https://mirror.example', ''), /neither/],
    ['a file tree that is not listed', (text) => text.replace('https://mirror.example', 'file:///cvmfs'), /neither/],
    ['a password', (text) => text.replace('//mirror', '//me:secret@mirror'), /password/],
  ])('%s', (_name, spoil, mistake) => {
    const text = spoil(good)
    expect(text).not.toBe(good)
    expect(lint(text).join('\n')).toMatch(mistake)
  })
})
