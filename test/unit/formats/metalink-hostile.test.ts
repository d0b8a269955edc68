import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseMetalink } from '../../../src/formats/metalink.ts'
import { metalinkLimits } from '../../../src/formats/metalink-xml.ts'
import { parseMetalink3 } from '../../../src/formats/metalink3.ts'
import { parseMetalink4, printMetalink4 } from '../../../src/formats/metalink4.ts'
import { isFault } from '../../../src/model/fault.ts'
import { sampleDocument } from '../../kit/metalink-documents.ts'
import { workTime } from '../../kit/work-time.ts'

const from = 'https://upstream.example/x.meta4'
const sample = printMetalink4(sampleDocument())

/** Why a document is refused; the test fails if it is not, or with anything but a fault that names the upstream. */
function refusal(document: string | Uint8Array, limits = metalinkLimits): string {
  try {
    parseMetalink(typeof document === 'string' ? Buffer.from(document) : document, from, limits)
  } catch (error) {
    if (!isFault(error, 'upstream-invalid')) throw error
    expect(error.details.url).toBe(from)
    return error.details.why
  }
  throw new Error('it was read')
}

const metalink = (inside: string) => `<metalink xmlns="urn:ietf:params:xml:ns:metalink">${inside}</metalink>`
const withUrls = (count: number) => sample.replace('</file>', `${'<url>https://a.example/x</url>'.repeat(count)}</file>`)
const withFiles = (count: number) => metalink(Array.from({ length: count }, (_, index) => `<file name="f${index}"/>`).join(''))
const withPieces = (count: number) =>
  metalink(`<file name="f"><pieces length="1" type="sha-1">${'<hash/>'.repeat(count)}</pieces></file>`)
const nested = (depth: number) => metalink(`${'<x>'.repeat(depth - 1)}${'</x>'.repeat(depth - 1)}<file name="f"/>`)

describe('refused is a document', () => {
  test.each([
    ['that is no XML', 'hello', /not well-formed/],
    ['that is empty', '', /empty/],
    ['of blanks', ' \n', /empty/],
    ['cut short', sample.slice(0, -20), /not well-formed/],
    ['with text after the root', `${sample}more`, /not well-formed/],
    ['with two roots', `${metalink('<file name="x"/>')}<y/>`, /two roots/],
    ['with an unquoted attribute', sample.replace('name="sample.sif"', 'name=x'), /not well-formed/],
    ['in Latin-1 by its own word', sample.replace('UTF-8', 'ISO-8859-1'), /not UTF-8/],
    ['in Latin-1 without a word', Buffer.from(sample.replace('latest', 'l\u00e4test'), 'latin1'), /not UTF-8/],
    ['in UTF-16', Buffer.from(`\ufeff${sample}`, 'utf16le'), /not UTF-8/],
    ['with a bare DOCTYPE', sample.replace('<metalink', '<!DOCTYPE metalink>\n<metalink'), /DOCTYPE/],
    ['with a doctype in small letters', sample.replace('<metalink', '<!doctype metalink>\n<metalink'), /DOCTYPE/],
    ['with control characters', sample.replace('latest', 'la\0test'), /control/],
    ['in no namespace', sample.replace(/ xmlns="[^"]*"/, ''), /namespace/],
    ['in a namespace of one letter less', sample.replace('ns:metalink"', 'ns:metalin"'), /namespace/],
    ['of another root', '<html xmlns="urn:ietf:params:xml:ns:metalink"/>', /namespace/],
    ['without files', metalink(''), /no file/],
    ['with two files of one name', metalink('<file name="x"/><file name="x"/>'), /one name/],
    ['with a size that is none', sample.replace('2500000', '2.5e6'), /size/],
    ['with a size beyond counting', sample.replace('2500000', '9007199254740993'), /size/],
    ['with an unknown entity', sample.replace('latest', '&secret;'), /not well-formed/],
  ])('%s', (_name, document, why) => expect(refusal(document)).toMatch(why))

  test.each([
    '../x',
    '..',
    'a/../../b',
    '/etc/passwd',
    './x',
    '',
    'a//b',
    'a/',
    'a\\..\\b',
    'a&#10;b',
    'x'.repeat(256),
    `a/${'ü'.repeat(128)}`,
  ])('with a file named %s', (name) => expect(refusal(sample.replace('sample.sif', name))).toMatch(/file name/))

  test('that entities would blow up', () => {
    const levels = Array.from({ length: 10 }, (_, level) => `<!ENTITY e${level + 1} "${`&e${level};`.repeat(10)}">`)
    const bomb = `<!DOCTYPE metalink [<!ENTITY e0 "ha">${levels.join('')}]>${sample.split('\n').slice(1).join('\n').replace('latest', '&e10;')}`
    expect(refusal(bomb)).toMatch(/DOCTYPE/)
    expect(refusal(bomb.replace(/<!DOCTYPE[^\]]*\]>/, ''))).toMatch(/not well-formed/)
  })

  test('that names a file of ours as an entity', () => {
    const document = sample
      .replace('<metalink', '<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]><metalink')
      .replace('latest', '&x;')
    expect(refusal(document)).toMatch(/DOCTYPE/)
  })
})

describe('the limits', () => {
  test('100 MB are refused before they are read', () => {
    const document = Buffer.alloc(100_000_000, '<a>')
    const heldBefore = process.memoryUsage()
    expect(refusal(document)).toMatch(/100000000 bytes/)
    const held = process.memoryUsage()
    expect(held.heapUsed + held.external - heldBefore.heapUsed - heldBefore.external).toBeLessThan(5_000_000)
  })

  test('of size: the last byte decides', () => {
    const padded = (bytes: number) => sample + ' '.repeat(bytes - Buffer.byteLength(sample))
    expect(parseMetalink(Buffer.from(padded(metalinkLimits.bytes)), from).files).toHaveLength(1)
    expect(refusal(padded(metalinkLimits.bytes + 1))).toMatch(/bytes/)
  })

  test.each([
    { what: 'depth', most: nested(8), over: nested(9), why: /nested/ },
    { what: 'files', most: withFiles(64), over: withFiles(65), why: /65 files/ },
    { what: 'URLs', most: withUrls(30), over: withUrls(31), why: /33 URLs/ },
    { what: 'pieces', most: withPieces(65_536), over: withPieces(65_537), why: /65537 pieces/ },
    {
      what: 'characters in a URL',
      most: sample.replace('sample.sif</url>', `${'x'.repeat(2048 - 23)}</url>`),
      over: sample.replace('sample.sif</url>', `${'x'.repeat(2048 - 22)}</url>`),
      why: /2048/,
    },
  ])('of $what: one more is one too many', ({ most, over, why }) => {
    expect(parseMetalink(Buffer.from(most), from).files.length).toBeGreaterThan(0)
    expect(refusal(over)).toMatch(why)
  })

  test('ten thousand URLs are refused', () => expect(refusal(withUrls(10_000))).toMatch(/10002 URLs/))

  test('can be set', () => {
    expect(refusal(sample, { ...metalinkLimits, bytes: 10 })).toMatch(/at most 10/)
    expect(refusal(sample, { ...metalinkLimits, depth: 2 })).toMatch(/2 deep/)
    expect(refusal(sample, { ...metalinkLimits, elements: 5 })).toMatch(/5 elements/)
    expect(refusal(sample, { ...metalinkLimits, files: 0 })).toMatch(/1 files/)
    expect(refusal(sample, { ...metalinkLimits, urls: 1 })).toMatch(/2 URLs/)
    expect(refusal(sample, { ...metalinkLimits, urlLength: 10 })).toMatch(/10 characters/)
  })
})

const attributes = (count: number, value: string) => Array.from({ length: count }, (_, index) => `a${index}="${value}"`).join(' ')

test.each([
  ['opening tags', '<a>'.repeat(340_000)],
  ['closing tags', '</a>'.repeat(250_000)],
  ['elements', `<a>${'<b/>'.repeat(260_000)}</a>`],
  ['attributes', `<a ${attributes(90_000, '')}/>`],
  ['attributes that hold brackets', `<a ${attributes(80_000, '>')}/>`],
  ['namespaces', `<a>${Array.from({ length: 30_000 }, (_, index) => `<b xmlns:x${index}="u"/>`).join('')}</a>`],
  ['ampersands', `<a>${'&'.repeat(1_000_000)}</a>`],
  ['brackets', '<'.repeat(1_000_000)],
  ['quotes', '<a "'.repeat(260_000)],
  ['one quote', `<a x="${'<'.repeat(1_000_000)}`],
  ['an entity name', `<a>&${'x'.repeat(1_000_000)};</a>`],
  ['a comment', `<!--${'-'.repeat(1_000_000)}`],
  ['CDATA', `<a><![CDATA[${']'.repeat(1_000_000)}`],
  ['an encoding', `<?xml ${'encoding="'.repeat(100_000)}`],
])('a megabyte of %s is refused in no time to speak of', (_name, document) => {
  expect(workTime(() => refusal(document))).toBeLessThan(3_000)
})

test.each(['__proto__', 'constructor', 'toString', '_', 'hasOwnProperty', 'cdata'])(
  'an element named %s is foreign and no more',
  (name) => {
    const text = sample
      .replace('<file', `<${name}>x</${name}><${name}/><file`)
      .replace('<size>', `<${name}><url>x</url></${name}><size>`)
    expect(parseMetalink(Buffer.from(text), from)).toEqual(parseMetalink(Buffer.from(sample), from))
    expect({}).not.toHaveProperty('url')
  },
)

test('a document changed anywhere is read or refused, never more', () => {
  const bytes = Buffer.from(sample)
  const change = fc.tuple(
    fc.nat(bytes.length - 1),
    fc.constantFrom('<', '>', '"', '&', '/', '\0', '=', '!', 'é', '</file>', '<url>', ']]>', '<!--'),
  )
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
      const text = changes.reduce((sum, [at, piece]) => sum.slice(0, at) + piece + sum.slice(at + 1), sample)
      for (const parse of [parseMetalink, parseMetalink3, parseMetalink4]) {
        try {
          parse(Buffer.from(text), from)
        } catch (error) {
          if (!isFault(error, 'upstream-invalid')) throw error
        }
      }
    }),
    { numRuns: 500 },
  )
})
