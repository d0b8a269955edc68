import { describe, expect, test } from 'vitest'
import { createBlame, createCredits } from '../../../src/transfer/blame.ts'
import { sourceAt } from './memory-house.ts'

const a = sourceAt('a', 1)
const b = sourceAt('b', 2)
const piece = (at: number) => ({ start: at * 100, end: at * 100 + 100 })

/** A source that sends pieces, those told of wrong. */
function having(count: number, wrong: readonly number[]) {
  const credits = createCredits()
  const blame = createBlame(100, credits)
  credits.add({ start: 0, end: count * 100 }, a)
  for (let at = 0; at < count; at++) {
    if (wrong.includes(at)) blame.accuse(piece(at))
    else blame.acquit(piece(at))
  }
  return blame
}

describe('blame', () => {
  test('one wrong piece alone may be an accident', () => {
    expect(having(1, [0]).isLiar(a)).toBe(false)
  })

  test('two wrong ones of two are a lie', () => {
    expect(having(2, [0, 1]).isLiar(a)).toBe(true)
  })

  test('some wrong ones among many right ones cost less than going without', () => {
    expect(having(40, [5, 15, 25, 35]).isLiar(a)).toBe(false)
    expect(
      having(
        40,
        Array.from({ length: 11 }, (_, at) => at * 3),
      ).isLiar(a),
    ).toBe(true)
  })

  test('falls on all who sent some of a piece, and on nobody for what came later', () => {
    const credits = createCredits()
    const blame = createBlame(100, credits)
    credits.add({ start: 0, end: 50 }, a)
    credits.add({ start: 50, end: 150 }, b)
    expect(new Set(blame.accuse(piece(0)))).toEqual(new Set([a, b]))
    expect([blame.isAvoided(a, 99), blame.isAvoided(b, 0), blame.isAvoided(b, 100)]).toEqual([true, true, false])
    credits.add({ start: 0, end: 100 }, b)
    expect(blame.accuse(piece(0))).toEqual([b])
  })
  test('of a piece that several sent is proof of nothing: each of them is tried alone, once, before it is the hash', () => {
    const credits = createCredits()
    const blame = createBlame(100, credits)
    const together = () => {
      credits.add({ start: 0, end: 50 }, a)
      credits.add({ start: 50, end: 100 }, b)
      return blame.accuse(piece(0))
    }
    const avoided = () => [a, b].map((source) => blame.isAvoided(source, 50))
    together()
    expect([blame.isContested(99), blame.isContested(100)]).toEqual([true, false])
    expect([avoided(), blame.retry([a, b]), avoided()]).toEqual([[true, true], true, [false, true]])
    expect(blame.retry([a, b]), 'it is still being tried').toBe(false)
    credits.add({ start: 0, end: 100 }, a)
    blame.accuse(piece(0))
    expect([avoided(), blame.retry([a, b]), avoided()]).toEqual([[true, true], true, [true, false]])
    credits.add({ start: 0, end: 100 }, b)
    blame.acquit(piece(0))
    expect([avoided(), blame.isContested(0)]).toEqual([[false, false], false])
  })

  test('of whoever is tried and cannot be asked any more falls on nobody: the next is tried', () => {
    const credits = createCredits()
    const blame = createBlame(100, credits)
    credits.add({ start: 0, end: 50 }, a)
    credits.add({ start: 50, end: 100 }, b)
    blame.accuse(piece(0))
    expect([blame.retry([a, b]), blame.isAvoided(a, 0)]).toEqual([true, false])
    expect([blame.retry([b]), blame.isAvoided(b, 0)]).toEqual([true, false])
    expect(blame.retry([])).toBe(false)
  })

  test('does not go on for ever where others get into every trial', () => {
    const credits = createCredits()
    const blame = createBlame(100, credits)
    let accusations = 0
    do {
      credits.add({ start: 0, end: 50 }, a)
      credits.add({ start: 50, end: 100 }, b)
      blame.accuse(piece(0))
      accusations++
    } while (blame.retry([a, b]) || !blame.isAvoided(a, 0) || !blame.isAvoided(b, 0))
    expect(accusations).toBeLessThan(10)
    expect([a, b].map(blame.isLiar)).toEqual([false, false])
  })
})
