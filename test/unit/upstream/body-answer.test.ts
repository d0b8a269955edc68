import { describe, expect, test } from 'vitest'
import type { HttpResponse } from '../../../src/system/http.ts'
import { checkedBody, conditionsFor, partFields, validatorsOf } from '../../../src/upstream/body-answer.ts'

const saturday = 'Sat, 01 Nov 2025 10:00:00 GMT'
const secondLater = 'Sat, 01 Nov 2025 10:00:01 GMT'

function answer(headers: Readonly<Record<string, string>>, status = 200): HttpResponse {
  return {
    status,
    url: new URL('https://data.example/x'),
    hops: 0,
    header: (name) => headers[name],
    headers: (name) => (headers[name] === undefined ? [] : [headers[name]]),
    body: (async function* () {})(),
    bytes: async () => new Uint8Array(),
    discard: async () => {},
    cancel: () => {},
  }
}

const validatorIn = (headers: Readonly<Record<string, string>>) => checkedBody(answer(headers), undefined).validator

describe('what a part of the same version may be asked for by', () => {
  test.each([
    ['a strong ETag', { etag: '"1"', 'last-modified': saturday, date: secondLater }, '"1"'],
    ['a date that was over when the answer came', { 'last-modified': saturday, date: secondLater }, saturday],
    ['that date beside a weak ETag', { etag: 'W/"1"', 'last-modified': saturday, date: secondLater }, saturday],
    ['no date of this very second', { 'last-modified': saturday, date: saturday }, undefined],
    ['no date where there is no clock', { 'last-modified': saturday }, undefined],
    ['no weak ETag', { etag: 'W/"1"' }, undefined],
    ['nothing', {}, undefined],
    ['no ETag without an end', { etag: `"${'x'.repeat(300)}"` }, undefined],
  ])('is %s', (_, headers, want) => expect(validatorIn(headers as Record<string, string>)).toBe(want))
})

test('all that is said of a version is kept, as it was said', () => {
  const headers = { etag: 'W/"1"', 'last-modified': 'whenever' }
  expect(validatorsOf(answer(headers))).toEqual({ etag: 'W/"1"', lastModified: 'whenever' })
  expect(checkedBody(answer(headers), undefined).validators).toEqual({ etag: 'W/"1"', lastModified: 'whenever' })
})

test.each([
  [{ etag: 'W/"1"', lastModified: saturday }, { 'if-none-match': 'W/"1"' }],
  [{ lastModified: saturday }, { 'if-modified-since': saturday }],
  [{}, {}],
])('%j is asked about with %j', (validators, fields) => expect(conditionsFor(validators)).toEqual(fields))

test('a part is asked for with the version it is to be of', () => {
  expect(partFields({})).toEqual({})
  expect(partFields({ range: { start: 5 } })).toEqual({ range: 'bytes=5-' })
  expect(partFields({ range: { start: 5, end: 9 }, validator: '"1"' })).toEqual({ range: 'bytes=5-8', 'if-range': '"1"' })
})

describe('an answer with bytes', () => {
  test('that are coded is refused: digests are of the bytes as they are', () => {
    expect(() => checkedBody(answer({ 'content-encoding': 'gzip' }), undefined)).toThrow('encoded as gzip')
    expect(() => checkedBody(answer({ 'content-encoding': 'identity' }), undefined)).not.toThrow()
  })

  test.each([
    ['other bytes', { 'content-range': 'bytes 6-9/20' }],
    ['more than asked for', { 'content-range': 'bytes 5-19/20' }],
    ['nobody knows which', {}],
  ])('that are %s is refused', (_, headers) =>
    expect(() => checkedBody(answer(headers as Record<string, string>, 206), { start: 5, end: 9 })).toThrow(
      expect.objectContaining({ code: 'source-changed' }),
    ),
  )

  test('that are those asked for says how many there are in all', () =>
    expect(checkedBody(answer({ 'content-range': 'bytes 5-8/20' }, 206), { start: 5, end: 9 })).toMatchObject({
      status: 206,
      range: { start: 5, end: 9 },
      total: 20,
    }))
})
