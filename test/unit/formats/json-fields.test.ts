import { describe, expect, test } from 'vitest'
import {
  count,
  type Fields,
  flag,
  identifier,
  line,
  listOf,
  mapOf,
  named,
  printFields,
  readFields,
  readList,
  text,
  time,
} from '../../../src/formats/json-fields.ts'
import { parseRfc3339, printRfc3339 } from '../../../src/formats/rfc3339.ts'

describe('a field reads', () => {
  test.each([
    { name: 'a line', field: line, value: 'a b', want: 'a b' },
    { name: 'no empty line', field: line, value: '', want: undefined },
    { name: 'no line of two', field: line, value: 'a\nb', want: undefined },
    { name: 'no line that moves the cursor', field: line, value: 'a\u001b[2J', want: undefined },
    { name: 'no line that is half a character', field: line, value: '\ud800', want: undefined },
    { name: 'no line beyond a thousand characters', field: line, value: 'a'.repeat(1001), want: undefined },
    { name: 'no number as a line', field: line, value: 7, want: undefined },
    { name: 'text of two lines', field: text, value: 'a\r\n\tb\n', want: 'a\n\tb\n' },
    { name: 'an identifier', field: identifier, value: '5f1e', want: '5f1e' },
    { name: 'a number as an identifier', field: identifier, value: 17, want: '17' },
    { name: 'no fraction as an identifier', field: identifier, value: 1.5, want: undefined },
    { name: 'a count', field: count, value: 12, want: 12 },
    { name: 'zero', field: count, value: 0, want: 0 },
    { name: 'no number in quotes', field: count, value: '12', want: undefined },
    { name: 'no fraction', field: count, value: 12.5, want: undefined },
    { name: 'nothing below zero', field: count, value: -1, want: undefined },
    { name: 'nothing beyond counting', field: count, value: 2 ** 53, want: undefined },
    { name: 'a flag', field: flag, value: false, want: false },
    { name: 'no word as a flag', field: flag, value: 'true', want: undefined },
    { name: 'a time in UTC', field: time, value: '2024-05-01T10:00:00Z', want: Date.UTC(2024, 4, 1, 10) },
    { name: 'a time elsewhere', field: time, value: '2024-05-01T12:00:00.5+02:00', want: Date.UTC(2024, 4, 1, 10, 0, 0, 500) },
    { name: 'no time without a zone', field: time, value: '2024-01-02T03:04:05', want: undefined },
    { name: 'no time of the year 1', field: time, value: '0001-01-01T00:00:00Z', want: undefined },
    { name: 'no empty time', field: time, value: '', want: undefined },
    { name: 'no day that there never was', field: time, value: '2024-13-01T00:00:00Z', want: undefined },
    { name: 'a list without what is none of its kind', field: listOf(line), value: ['a', 1, null, 'b'], want: ['a', 'b'] },
    { name: 'no list that is null', field: listOf(line), value: null, want: undefined },
    { name: 'no text as a list', field: listOf(line), value: 'abc', want: undefined },
    { name: 'a map', field: mapOf(line, count), value: { a: 1, b: 'x' }, want: new Map([['a', 1]]) },
    { name: 'no list as a map', field: mapOf(line, count), value: [1], want: undefined },
  ])('$name', ({ field, value, want }) => expect(field.read(value)).toEqual(want))

  test('ten thousand items, and no more', () => {
    expect(listOf(count).read(Array.from({ length: 20_000 }, () => 1))).toHaveLength(10_000)
  })

  test('lists in a list as they are', () => expect(readList([[1], [2]], (item) => item)).toEqual([[1], [2]]))
})

interface Thing {
  readonly name?: string
  readonly at?: number
  readonly sizes?: readonly number[]
  readonly tags?: ReadonlyMap<string, string>
}
const fields: Fields<Thing> = { name: line, at: named('made_at', time), sizes: listOf(count), tags: mapOf(line, identifier) }

test('what is missing, null or unknown leaves no trace', () => {
  expect(Object.keys(readFields({ name: null, made_at: '', other: 1 }, fields))).toEqual([])
})

test('a thing is printed under the names of the document, and reads back as it was', () => {
  const thing = { name: 'x', at: 1_700_000_000_000, sizes: [1, 2], tags: new Map([['latest', '7']]) }
  const printed = printFields(thing, fields)
  expect(printed).toEqual({ name: 'x', made_at: '2023-11-14T22:13:20.000Z', sizes: [1, 2], tags: { latest: '7' } })
  expect(readFields(printed, fields)).toEqual(thing)
})

test('nothing is printed that would not be read', () => {
  const askew = {
    name: 'a\nb',
    at: Number.NaN,
    sizes: [1, 1.5],
    tags: new Map([
      ['a', ''],
      ['b', '1'],
    ]),
  }
  expect(printFields(askew, fields)).toEqual({ sizes: [1], tags: { b: '1' } })
  expect(printFields({ at: 8.64e15 }, fields)).toEqual({})
})

test('a key that would change what an object is stays a key', () => {
  const read = readFields(JSON.parse('{"tags":{"__proto__":"1"},"__proto__":{"name":"x"}}'), fields)
  expect(read.name).toBeUndefined()
  expect([...read.tags!]).toEqual([['__proto__', '1']])
  expect(JSON.stringify(printFields(read, fields))).toBe('{"tags":{"__proto__":"1"}}')
})

test.each([
  '2024-05-01',
  '2024-05-01T10:00:00',
  '1714557600',
  '2024-05-01 10:00:00Z',
  '2024-05-01T10:00:00+0200',
  'Wed, 01 May 2024',
])('%j is no time with a zone', (written) => expect(parseRfc3339(written)).toBeUndefined())

test('a time is printed so that it reads back the same', () => {
  for (const at of [0, 1, 1_714_557_600_123, Date.UTC(9999, 11, 31)]) expect(parseRfc3339(printRfc3339(at))).toBe(at)
})
