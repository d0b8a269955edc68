import { getEventListeners } from 'node:events'
import { expect, test } from 'vitest'
import { untilGone } from '../../../src/system/until-gone.ts'

test('the promise wins while nobody leaves, and no listener stays', async () => {
  const { signal } = new AbortController()
  expect(await untilGone(Promise.resolve(1), signal)).toBe(1)
  await expect(untilGone(Promise.reject(new Error('no')), signal)).rejects.toThrow('no')
  expect(getEventListeners(signal, 'abort')).toEqual([])
})

test('who leaves waits no longer, now or already', async () => {
  const control = new AbortController()
  const waiting = untilGone(new Promise(() => {}), control.signal)
  control.abort(new Error('gone'))
  await expect(waiting).rejects.toThrow('gone')
  await expect(untilGone(new Promise(() => {}), control.signal)).rejects.toThrow('gone')
})

test('a promise that fails after its asker left troubles nobody', async () => {
  const { promise, reject } = Promise.withResolvers<never>()
  await expect(untilGone(promise, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
  reject(new Error('late'))
  await new Promise((go) => setImmediate(go))
})
