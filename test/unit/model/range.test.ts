import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseContentRange, parseRange, printContentRange, satisfy } from '../../../src/model/range.ts'

describe('parseRange', () => {
  test.each([
    ['bytes=0-0', [{ kind: 'from', start: 0, end: 1 }]],
    ['bytes=5-', [{ kind: 'from', start: 5, end: undefined }]],
    ['bytes=-3', [{ kind: 'suffix', length: 3 }]],
    [
      'BYTES = 1-2 , 4-',
      [
        { kind: 'from', start: 1, end: 3 },
        { kind: 'from', start: 4, end: undefined },
      ],
    ],
    [
      'bytes=0-1,,3-4',
      [
        { kind: 'from', start: 0, end: 2 },
        { kind: 'from', start: 3, end: 5 },
      ],
    ],
  ])('%s is read', (header, want) => expect(parseRange(header)).toEqual(want))

  test.each([
    undefined,
    '',
    'bytes',
    'bytes=',
    'bytes=-',
    'bytes=a-b',
    'lines=0-1',
    'bytes=1-2;3',
    'bytes=0-9999999999999999',
    'bytes=--1',
  ])('%s is as if it were not there', (header) => expect(parseRange(header)).toBeUndefined())

  test('more than 64 ranges are as if they were not there', () => {
    expect(parseRange(`bytes=${Array.from({ length: 65 }, (_, at) => `${at * 2}-${at * 2}`).join(',')}`)).toBeUndefined()
  })

  test('never throws, whatever it is given', () => {
    fc.assert(fc.property(fc.string(), (text) => void parseRange(`bytes=${text}`)))
  })
})

describe('satisfy', () => {
  test.each([
    ['bytes=0-4', 10, { start: 0, end: 5 }],
    ['bytes=5-99', 10, { start: 5, end: 10 }],
    ['bytes=10-', 10, undefined],
    ['bytes=-3', 10, { start: 7, end: 10 }],
    ['bytes=-30', 10, { start: 0, end: 10 }],
    ['bytes=-0', 10, undefined],
    ['bytes=0-', 0, undefined],
    ['bytes=500-0', 1000, undefined],
  ])('%s of %i bytes', (header, size, want) => expect(satisfy(parseRange(header)![0]!, size)).toEqual(want))
})

describe('content range', () => {
  test('what is printed is read back', () => {
    fc.assert(
      fc.property(fc.nat(1e9), fc.integer({ min: 1, max: 1e9 }), fc.nat(1e9), (start, length, rest) => {
        const range = { start, end: start + length }
        expect(parseContentRange(printContentRange(range, range.end + rest))).toEqual({ range, total: range.end + rest })
      }),
    )
  })

  test.each([undefined, '', 'bytes */10', 'bytes 5-4/10', 'bytes 0-10/10', 'bytes 0-', 'items 0-1/2'])(
    '%s is refused',
    (header) => expect(parseContentRange(header)).toBeUndefined(),
  )

  test('an unknown total is undefined', () =>
    expect(parseContentRange('bytes 0-9/*')).toEqual({ range: { start: 0, end: 10 }, total: undefined }))
})
