import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { wildcard } from '../../../src/model/wildcard.ts'
import { workTime } from '../../kit/work-time.ts'

describe('a pattern', () => {
  test.each([
    ['lab/tool', 'lab/tool', true],
    ['lab/tool', 'lab/tool2', false],
    ['*', '', true],
    ['lab/*', 'lab/a/b', true],
    ['lab/*', 'laboratory', false],
    ['*/tool', 'a/b/tool', true],
    ['*tool*', 'a/tool/b', true],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['*ab*ab', 'ab', false],
    ['a**b', 'a/x/b', true],
    ['a.c', 'abc', false],
    ['(*', '(', true],
  ])('%s of %s: %s', (pattern, name, isMeant) => expect(wildcard(pattern)(name)).toBe(isMeant))

  test('means what a regular expression with .* for each star would', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '/'), maxLength: 12 })
    fc.assert(
      fc.property(text, text, (pattern, name) => {
        const shape = new RegExp(`^${pattern.split(/\*+/).map(RegExp.escape).join('.*')}$`, 's')
        expect([pattern, name, wildcard(pattern)(name)]).toEqual([pattern, name, shape.test(name)])
      }),
      { numRuns: 3000 },
    )
  })

  test('with many stars takes no time to speak of, whatever the name', () => {
    const isMeant = wildcard(`${'*a'.repeat(40)}*b`)
    expect(workTime(() => expect(isMeant('a'.repeat(100_000))).toBe(false))).toBeLessThan(1_000)
  })
})
