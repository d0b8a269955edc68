import { describe, expect, test } from 'vitest'
import { exitCodeOf, printFault } from '../../../src/cli/faults.ts'
import { printFacts, printSize, printTable, printTime } from '../../../src/cli/print.ts'
import { Fault } from '../../../src/model/fault.ts'

test.each([
  [0, '0 B'],
  [1023, '1023 B'],
  [1024, '1.0 KiB'],
  [10_188, '9.9 KiB'],
  [10_189, '10 KiB'],
  [1_022_975, '999 KiB'],
  [1_023_488, '1.0 MiB'],
  [512 * 2 ** 20, '512 MiB'],
  [1.5 * 2 ** 40, '1.5 TiB'],
  [2 ** 62, '4096 PiB'],
])('%i bytes are %s', (bytes, text) => expect(printSize(bytes)).toBe(text))

test('a table may be as long as a store is large', () => {
  const rows = Array.from({ length: 300_000 }, (_, at) => [`image-${at}`, '1 B'])
  expect(printTable(['NAME', '>SIZE'], rows).split('\n')).toHaveLength(rows.length + 2)
})

test('a table keeps its columns under their headings and ends no line with spaces', () => {
  expect(
    printTable(
      ['NAME', '>SIZE', 'USED'],
      [
        ['a', '1 B', 'now'],
        ['longer', '17 KiB', ''],
      ],
    ),
  ).toBe('NAME      SIZE  USED\na          1 B  now\nlonger  17 KiB\n')
})

test('facts without a value are left out', () => {
  expect(
    printFacts([
      ['Digest', 'x'],
      ['Path', undefined],
      ['Name', 'y'],
    ]),
  ).toBe('Digest  x\nName    y\n')
})

test('a time is told in the zone of who asks', () => {
  const time = new Date(2026, 2, 1, 4, 5, 59)
  expect(printTime(time.getTime())).toBe('2026-03-01 04:05')
  expect(printTime(undefined)).toBeUndefined()
})

describe('a fault', () => {
  test.each([
    [new Fault('tag-invalid', { text: '-' }), 2],
    [new Fault('not-found', { what: 'x' }), 3],
    [new Fault('upstream-unknown', { name: 'x' }), 3],
    [new Fault('corrupt', { what: 'x', expected: 'a', actual: 'b' }), 4],
    [new Fault('disk-full', { path: '/x' }), 1],
    [new Fault('config-invalid', { file: 'x', mistakes: ['y'] }), 1],
  ])('$code', (fault, code) => expect(exitCodeOf(fault)).toBe(code))

  test('is told with what was tried and what to do next', () => {
    expect(printFault(new Fault('not-found', { what: 'a/b:1', asked: ['a'] }), 'get a/b:1')).toBe(
      'forebay get a/b:1: a/b:1 was not found (asked a)\nSee "forebay images" for what is here, and check the spelling.\n',
    )
  })

  test('of our own making says what it was', () => {
    const fault = new Fault('internal', { what: 'gc' }, { cause: new TypeError('x is undefined') })
    expect(printFault(fault, 'gc')).toContain('x is undefined')
  })
})
