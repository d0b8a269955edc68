import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDigest } from '../../../src/model/digest.ts'
import type { BlobFacts, NameFacts, TagFacts } from '../../../src/model/facts.ts'
import { parseFilePath, parseImageName, type UpstreamId } from '../../../src/model/reference.ts'
import {
  hasTimePlace,
  parseBlobFacts,
  parseNameFacts,
  parsePins,
  parseTagFacts,
  printBlobFacts,
  printNameFacts,
  printTagFacts,
  printTime,
  timePlace,
} from '../../../src/store/sidecar-format.ts'

const digest = parseDigest(`sha256:${'a'.repeat(64)}`)
const tag: TagFacts = { digest, mediaType: 'a/b', size: 5, checkedAt: 1_780_000_000_000 }
const facts: BlobFacts = { mediaType: undefined, repositories: ['hub/a/b'], isPublic: true, aliases: [digest], createdAt: 0 }

describe('facts of a tag', () => {
  test('are read as they were written, also once the time was written over', () => {
    fc.assert(
      fc.property(fc.nat(Number.MAX_SAFE_INTEGER), fc.nat(Number.MAX_SAFE_INTEGER), fc.nat(), (before, after, size) => {
        const text = printTagFacts({ ...tag, size, checkedAt: before })
        expect(parseTagFacts(text)).toEqual({ ...tag, size, checkedAt: before })
        const at = timePlace.prefix.length
        expect(hasTimePlace(text.slice(0, at + timePlace.width + 1))).toBe(true)
        const moved = text.slice(0, at) + printTime(after) + text.slice(at + timePlace.width)
        expect(parseTagFacts(moved)).toEqual({ ...tag, size, checkedAt: after })
      }),
    )
  })
  test.each(['{"digest":"', '{"checkedAt":             -1,', '{"checkedAt":1,"digest":"sha', ''])(
    '%j has not the time in its place',
    (head) => expect(hasTimePlace(head)).toBe(false),
  )
  test.each([
    '',
    '[]',
    '{}',
    JSON.stringify({ ...tag, digest: 'x' }),
    JSON.stringify({ ...tag, mediaType: 'a\nb' }),
    JSON.stringify({ ...tag, mediaType: '' }),
    JSON.stringify({ ...tag, size: -1 }),
    JSON.stringify({ ...tag, checkedAt: '5' }),
    JSON.stringify(tag).slice(0, -1),
  ])('%s is damaged', (text) => expect(parseTagFacts(text)).toBeUndefined())
})

const image: NameFacts = {
  reference: {
    kind: 'image',
    upstream: 'sylabs' as UpstreamId,
    name: parseImageName('e/c/n'),
    pointer: '1.0',
    arch: 'arm64',
  },
  claimed: parseDigest(`md5:${'b'.repeat(32)}`),
  id: digest as NameFacts['id'],
  size: 5,
  mediaType: 'a/b',
  validators: { etag: 'W/"1"', lastModified: 'Sat, 01 Nov 2025 10:00:00 GMT' },
  version: 'v',
  urls: ['https://x.example/y'],
  about: { id: '7', tags: ['a'], signed: true },
  checkedAt: 1_780_000_000_000,
}
const file: NameFacts = {
  ...image,
  reference: { kind: 'file', upstream: 'data' as UpstreamId, path: parseFilePath('a b/x.sif') },
  claimed: undefined,
  id: undefined,
  size: undefined,
  validators: {},
  urls: [],
  about: {},
}

describe('facts of a name', () => {
  test.each([image, file, { ...image, reference: { ...image.reference, arch: undefined } } as NameFacts])(
    'are read as they were written, also once the time was written over: $reference',
    (facts) => {
      const text = printNameFacts(facts)
      expect(parseNameFacts(text)).toEqual(facts)
      const at = timePlace.prefix.length
      expect(hasTimePlace(text.slice(0, at + timePlace.width + 1))).toBe(true)
      expect(parseNameFacts(text.slice(0, at) + printTime(7) + text.slice(at + timePlace.width))).toEqual({
        ...facts,
        checkedAt: 7,
      })
    },
  )

  const other = (reference: object) => ({ reference: { ...image.reference, ...reference } })
  test.each([
    { reference: undefined },
    { reference: 'sylabs/e/c/n:1' },
    other({ upstream: 7 }),
    other({ kind: 'manifest' }),
    other({ name: '../etc/passwd' }),
    other({ name: 7 }),
    other({ pointer: 'a/b' }),
    other({ arch: 7 }),
    { reference: { kind: 'file', upstream: 'data', path: '../x' } },
    { reference: { kind: 'file', upstream: 'data', path: 'a//b' } },
    { reference: { kind: 'file', upstream: 'data' } },
    { claimed: 'sha256:abc' },
    { claimed: 7 },
    { id: `md5:${'b'.repeat(32)}` },
    { id: `sha256:${'A'.repeat(64)}` },
    { id: ['x'] },
    { size: -1 },
    { size: 1.5 },
    { size: '5' },
    { mediaType: undefined },
    { mediaType: 'a\r\nX: y' },
    { validators: undefined },
    { validators: { etag: 7 } },
    { validators: { lastModified: [] } },
    { version: undefined },
    { version: 7 },
    { urls: 'https://x.example' },
    { urls: [7] },
    { about: undefined },
    { about: ['x'] },
    { checkedAt: -1 },
    { checkedAt: null },
  ])('%j is damaged', (wrong) => expect(parseNameFacts(JSON.stringify({ ...image, ...wrong }))).toBeUndefined())

  test.each(['', '[]', '{}', 'null', '{"checkedAt":', JSON.stringify(image).slice(0, -1)])('%j is damaged', (text) =>
    expect(parseNameFacts(text)).toBeUndefined(),
  )

  test('what else stands in the file is left there', () => {
    const text = `{"__proto__":{"id":"x"},"more":1,${JSON.stringify(file).slice(1)}`
    expect(parseNameFacts(text)).toEqual(file)
  })
})

test.each([
  ['{"pins":["a","b*"]}', ['a', 'b*']],
  ['{"pins":[7]}', undefined],
  ['{"pins":"a"}', undefined],
  ['[]', undefined],
])('pins in %s', (text, pins) => expect(parsePins(text)).toEqual(pins))

describe('facts of a blob', () => {
  test.each([
    facts,
    { ...facts, mediaType: 'a/b', repositories: [], aliases: [], isPublic: false },
    { ...facts, repositories: ['data/a%20b/X.sif', 'data/folder/', 'data/', 'sylabs/e/c/N'] },
  ])('%j is read as it was written', (one) => expect(parseBlobFacts(printBlobFacts(one))).toEqual(one))
  test.each([
    { repositories: ['no-slash'] },
    { repositories: ['/a'] },
    { repositories: ['hub/../x'] },
    { repositories: [7] },
    { repositories: undefined },
    { aliases: ['sha256:x'] },
    { isPublic: 'yes' },
    { createdAt: -1 },
    { mediaType: 'x'.repeat(256) },
  ])('%j is damaged', (wrong) => expect(parseBlobFacts(JSON.stringify({ ...facts, ...wrong }))).toBeUndefined())
})

test('any text at all is read without a fault', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      parseTagFacts(text)
      parseBlobFacts(text)
      parseNameFacts(text)
      parsePins(text)
      hasTimePlace(text)
    }),
  )
})
