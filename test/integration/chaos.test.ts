import { expect, test } from 'vitest'
import { printOutcome } from '../chaos/print.ts'
import { runChaos } from '../chaos/run.ts'
import { short } from '../chaos/scale.ts'
import { expectNoLeaks } from '../kit/leaks.ts'

expectNoLeaks()

const seed = 12 // the long form, with another one each time: npm run chaos

test('whatever befalls it, it serves right bytes, keeps right bytes, and is well again afterwards', {
  timeout: 240_000,
}, async () => {
  const outcome = await runChaos({ scale: short, seed })
  const again = `again, told as it happens: npm run chaos -- --short --seed ${seed}\n${printOutcome(outcome)}`
  expect(outcome.problems, again).toEqual([])
  expect(outcome.outcomes.of('right'), again).toBeGreaterThanOrEqual(short.rightAtLeast)
  expect(outcome.faults.of('killed: the server'), again).toBeGreaterThan(0)
  expect(outcome.lives, again).toBeGreaterThan(2)
})
