import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseLinks, printDescribedByLink, printDuplicateLink } from '../../../src/formats/metalink-headers.ts'
import { isFault } from '../../../src/model/fault.ts'
import { workTime } from '../../kit/work-time.ts'

const base = 'https://origin.example/pool/x.sif'
const read = (...fields: string[]) => parseLinks(fields, base)
const duplicates = (...fields: string[]) => read(...fields).duplicates

describe('a Link written', () => {
  test('has the form that every client reads', () => {
    expect(printDuplicateLink({ url: 'https://m.example/x', priority: 1, country: 'de' })).toBe(
      '<https://m.example/x>; rel=duplicate; pri=1; geo=de',
    )
    expect(printDuplicateLink({ url: 'http://m.example:8080/x', priority: 12 })).toBe(
      '<http://m.example:8080/x>; rel=duplicate; pri=12',
    )
    expect(printDescribedByLink('https://c.example/x.meta4')).toBe(
      '<https://c.example/x.meta4>; rel=describedby; type="application/metalink4+xml"',
    )
    expect(printDescribedByLink('https://c.example/x.asc', 'application/pgp-signature')).toBe(
      '<https://c.example/x.asc>; rel=describedby; type="application/pgp-signature"',
    )
  })

  test.each([
    'file:///cvmfs/x',
    '/x',
    'https://a.example/x>; rel=y',
    'https://a.example/x\r\nSet-Cookie: y',
    'https://u:p@a.example/x',
  ])('is refused for %s', (url) => {
    for (const print of [() => printDuplicateLink({ url, priority: 1 }), () => printDescribedByLink(url)]) {
      let thrown: unknown
      try {
        print()
      } catch (error) {
        thrown = error
      }
      expect(isFault(thrown, 'internal')).toBe(true)
    }
  })

  test('is read back as it was', () => {
    const url = fc.tuple(fc.domain(), fc.webPath()).map(([host, path]) => new URL(`https://${host}${path}`).href)
    const places = fc.array(
      fc.record({ url, priority: fc.integer({ min: 1, max: 999_999 }), country: fc.constantFrom('de', 'fr') }),
      { maxLength: 8 },
    )
    fc.assert(
      fc.property(places, (list) => {
        const lines = list.map(printDuplicateLink)
        const want = list.toSorted((one, other) => one.priority - other.priority)
        expect(duplicates(...lines), 'a line each').toEqual(want)
        expect(duplicates(lines.join(', ')), 'joined by commas').toEqual(want)
      }),
    )
  })
})

describe('a Link read', () => {
  const m = (priority = 999_999) => [{ url: 'https://m.example/x', priority }]
  test.each([
    { field: '<https://m.example/x>; rel="duplicate"; pri="3"', want: m(3) },
    { field: '<https://m.example/x>;rel=duplicate;pri=3;pref', want: m(3) },
    { field: '< https://m.example/x > ; REL = Duplicate ; pri = 3', want: m(3) },
    { field: '<https://m.example/x>; rel="alternate duplicate"; depth=2', want: m() },
    { field: '<https://m.example/x>; rel=duplicate; rel=icon', want: m() },
    { field: '<https://m.example/x>; rel=duplicate; title="a, <https://evil.example/>; rel=duplicate"', want: m() },
    { field: '<https://m.example/x>; rel=duplicate; pri=0', want: m() },
    { field: '<https://m.example/x>; rel=duplicate; pri=-1', want: m() },
    { field: '<https://m.example/x>; rel=duplicate; geo=DE', want: [{ ...m()[0], country: 'de' }] },
    { field: '<https://m.example/x>; rel=duplicate; geo=europe', want: m() },
    { field: '<y.sif>; rel=duplicate', want: [{ url: 'https://origin.example/pool/y.sif', priority: 999_999 }] },
    { field: '<//m.example/x>; rel=duplicate', want: m() },
    { field: '<https://m.example/a,b;c>; rel=duplicate', want: [{ url: 'https://m.example/a,b;c', priority: 999_999 }] },
    { field: 'rubbish, ,; <https://m.example/x>; rel=duplicate', want: m() },
    { field: '<https://m.example/x>; rel=duplicate, <broken', want: m() },
    { field: '<<https://m.example/x>; rel=duplicate', want: m() },
    { field: '<https://m.example/x>', want: [] },
    { field: '<https://m.example/x>; rel=describedby', want: [] },
    { field: '<https://m.example/x>; rel=duplicate; anchor="https://other.example/"', want: [] },
    { field: '<ftp://m.example/x>; rel=duplicate', want: [] },
    { field: '<file:///etc/passwd>; rel=duplicate', want: [] },
    { field: '<https://u:p@m.example/x>; rel=duplicate', want: [] },
    { field: `<https://m.example/${'x'.repeat(2048)}>; rel=duplicate`, want: [] },
    { field: '', want: [] },
  ])('$field', ({ field, want }) => expect(duplicates(field)).toEqual(want))

  test('stands in one field, several or none', () => {
    const one = '<https://a.example/x>; rel=duplicate; pri=2'
    const two = '<https://b.example/x>; rel=duplicate; pri=1'
    const want = ['https://b.example/x', 'https://a.example/x']
    expect(duplicates(one, two).map(({ url }) => url)).toEqual(want)
    expect(duplicates(`${one},${two}`).map(({ url }) => url)).toEqual(want)
    expect(parseLinks(undefined, base)).toEqual({ duplicates: [], describedBy: [] })
    expect(parseLinks(one, base).duplicates).toHaveLength(1)
  })

  test('names documents and signatures with their type', () => {
    expect(
      read(
        '<x.meta4>; rel=describedby; type="application/Metalink4+xml", <x.asc>; rel=describedby; type=application/pgp-signature, <x>; rel=describedby',
      ).describedBy,
    ).toEqual([
      { url: 'https://origin.example/pool/x.meta4', mediaType: 'application/metalink4+xml' },
      { url: 'https://origin.example/pool/x.asc', mediaType: 'application/pgp-signature' },
      { url: 'https://origin.example/pool/x', mediaType: undefined },
    ])
  })

  test('at most 32 are taken', () => expect(duplicates('<https://m.example/x>; rel=duplicate,'.repeat(100))).toHaveLength(32))

  test('anything at all is read without a fault', () => {
    const noise = fc.string({
      unit: fc.constantFrom('<', '>', ';', ',', '"', '\\', '=', ' ', 'a', 'rel=duplicate', 'https://a.example/', '\0', 'é'),
    })
    fc.assert(
      fc.property(noise, (field) => void parseLinks(field, base)),
      { numRuns: 2000 },
    )
  })

  test.each(['<', '<a>', '<a>;', '<a>;x="', ';', '"', '\\', '<a>;x="\\', ' ', '<a>; '])(
    '64 KiB of %j take no time to speak of',
    (piece) => {
      expect(workTime(() => duplicates(piece.repeat(65_536 / piece.length)))).toBeLessThan(1_000)
    },
  )
})
