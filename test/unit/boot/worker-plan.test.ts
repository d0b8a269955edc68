import { expect, test } from 'vitest'
import { shareOf } from '../../../src/boot/worker-plan.ts'
import type { Config } from '../../../src/config/config.ts'

test('limits in all are shared out so that together they are as much, and none is left without', () => {
  const limits = { connections: 10, requests: 2, bytesPerSecond: 7 }
  const config = { limits, store: { memory: 100 } } as unknown as Config
  const shares = [0, 1, 2, 3].map((place) => shareOf(config, { count: 4, place }))
  const all = (name: keyof typeof limits) => shares.map(({ limits }) => limits[name])
  expect(all('connections')).toEqual([3, 3, 2, 2])
  expect(all('bytesPerSecond')).toEqual([2, 2, 2, 1])
  expect(all('requests')).toEqual([1, 1, 1, 1])
  expect(shares.map(({ store }) => store.memory)).toEqual([20, 20, 20, 20])
  const unlimited = { ...config, limits: { ...config.limits, bytesPerSecond: undefined } }
  expect(shareOf(unlimited, { count: 4, place: 0 }).limits.bytesPerSecond).toBeUndefined()
})
