import { expect, test } from 'vitest'
import { judge } from '../../../src/model/freshness.ts'

const policy = { freshForMs: 100, staleIfErrorMs: 1000 }

test.each([
  [0, 'fresh'],
  [99, 'fresh'],
  [100, 'stale'],
  [1099, 'stale'],
  [1100, 'gone'],
  [-1, 'stale'], // the clock was set back
  [-5_000_000, 'stale'],
] as const)('an answer %i ms old is %s', (age, want) => expect(judge({ checkedAt: 10_000 - age }, policy, 10_000)).toBe(want))
