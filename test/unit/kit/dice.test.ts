import { expect, test } from 'vitest'
import { badAnswer } from '../../kit/bad-habits.ts'
import { createDice } from '../../kit/dice.ts'

const throws = (seed: string) => {
  const dice = createDice(seed)
  return Array.from({ length: 1000 }, () => dice.below(6))
}

test('dice fall the same for the same seed, and evenly', () => {
  expect(throws('one')).toEqual(throws('one'))
  expect(throws('one')).not.toEqual(throws('two'))
  const counts = Array.from({ length: 6 }, (_, face) => throws('one').filter((one) => one === face).length)
  expect(Math.min(...counts)).toBeGreaterThan(100)
})

test('a shuffled list has what it had', () => {
  const list = Array.from({ length: 20 }, (_, at) => at)
  expect(createDice('x').shuffled(list)).not.toEqual(list)
  expect(
    createDice('x')
      .shuffled(list)
      .toSorted((a, b) => a - b),
  ).toEqual(list)
})

test('a bad answer is the same for the same seed', () => {
  const one = () => badAnswer(createDice('y'), 1000, ['refusals', 'pains', 'lies'])
  expect(JSON.stringify(one())).toBe(JSON.stringify(one()))
})
