import { afterEach, expect, test, vi } from 'vitest'
import { steadyClock, systemClock } from '../../../src/system/clock.ts'

afterEach(() => void vi.restoreAllMocks())

test.each([
  ['forward', 86_400_000],
  ['back', -86_400_000],
])('what is measured goes on as it did when the clock is set %s', async (_, by) => {
  const before = steadyClock.now()
  const real = Date.now
  vi.spyOn(Date, 'now').mockImplementation(() => real() + by)
  expect(Math.abs(systemClock.now() - before - by)).toBeLessThan(60_000)
  await steadyClock.sleep(2)
  expect(steadyClock.now()).toBeGreaterThan(before)
  expect(steadyClock.now() - before).toBeLessThan(60_000)
})
