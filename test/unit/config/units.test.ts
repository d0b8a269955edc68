import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDuration, parsePortion, parseSize } from '../../../src/config/units.ts'

describe('durations', () => {
  test.each([
    ['0', 0],
    ['250ms', 250],
    ['90s', 90_000],
    ['10m', 600_000],
    ['1.5h', 5_400_000],
    ['30d', 2_592_000_000],
    ['2 h', 7_200_000],
  ])('%s is %i ms', (text, ms) => expect(parseDuration(text)).toBe(ms))

  test.each(['', '10', 's', '-5s', '1e3s', '10 M', '5min', '1h30m', '10S', ' 1s', '1s ', '1  s', '9999999999999d', 'Infinity'])(
    '"%s" is none',
    (text) => expect(parseDuration(text)).toBeUndefined(),
  )

  test('a unit is not looked up among what every object has', () => expect(parseDuration('1constructor')).toBeUndefined())
})

describe('sizes', () => {
  test.each([
    ['0', 0],
    ['17B', 17],
    ['64KiB', 65_536],
    ['64KB', 64_000],
    ['1.5MiB', 1_572_864],
    ['500GB', 500e9],
    ['2TiB', 2 * 2 ** 40],
  ])('%s is %i bytes', (text, bytes) => expect(parseSize(text)).toBe(bytes))

  test.each(['', '64', '64kib', '64K', '-1GB', 'GB', '1,5GB', '99999PiB'])('"%s" is none', (text) =>
    expect(parseSize(text)).toBeUndefined(),
  )
})

describe('portions', () => {
  test.each<[string | number, object]>([
    ['10%', { share: 0.1 }],
    ['0%', { share: 0 }],
    ['2.5 %', { share: 0.025 }],
    ['100%', { share: 1 }],
    [0, { count: 0 }],
    [25, { count: 25 }],
  ])('%s', (given, want) => expect(parsePortion(given)).toEqual(want))

  test.each(['', '10', '%', '101%', '-1%', '1e1%', 'ten', -1, 0.5, Number.NaN, 1e300])('"%s" is none', (given) =>
    expect(parsePortion(given)).toBeUndefined(),
  )
})

describe('any text', () => {
  test('is a whole number that is not negative, or nothing', () => {
    const sensible = (value: number | undefined) => value === undefined || (Number.isSafeInteger(value) && value >= 0)
    const close = fc
      .tuple(fc.float(), fc.constantFrom('', ' '), fc.constantFrom('ms', 's', 'h', 'KiB', 'GB', 'x'))
      .map((all) => all.join(''))
    fc.assert(fc.property(fc.oneof(fc.string(), close), (text) => sensible(parseDuration(text)) && sensible(parseSize(text))))
  })

  test('a number with a unit is that many of it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 100_000 }), (count) => {
        expect(parseDuration(`${count}m`)).toBe(count * 60_000)
        expect(parseSize(`${count}MiB`)).toBe(count * 1_048_576)
      }),
    )
  })
})
