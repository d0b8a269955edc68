import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDigest } from '../../../src/model/digest.ts'
import type { BlobFacts, TagFacts } from '../../../src/model/facts.ts'
import {
  hasTimePlace,
  parseBlobFacts,
  parseTagFacts,
  printBlobFacts,
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

describe('facts of a blob', () => {
  test.each([facts, { ...facts, mediaType: 'a/b', repositories: [], aliases: [], isPublic: false }])(
    '%j is read as it was written',
    (one) => expect(parseBlobFacts(printBlobFacts(one))).toEqual(one),
  )
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
      hasTimePlace(text)
    }),
  )
})
