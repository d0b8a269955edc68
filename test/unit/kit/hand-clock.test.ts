import { expect, test } from 'vitest'
import { createHandClock } from '../../kit/hand-clock.ts'

test('sleepers wake in the order of their times, each at its own', async () => {
  const clock = createHandClock(1000)
  const woken: string[] = []
  const note = (name: string) => () => woken.push(`${name} at ${clock.now()}`)
  clock.sleep(300).then(note('late'), () => {})
  clock.sleep(100).then(note('early'), () => {})
  expect(woken).toEqual([])
  await clock.advance(99)
  expect(woken).toEqual([])
  await clock.advance(500)
  expect(woken).toEqual(['early at 1100', 'late at 1300'])
  expect(clock.now()).toBe(1599)
})

test('an aborted sleep rejects with the reason and is forgotten', async () => {
  const clock = createHandClock()
  const control = new AbortController()
  const sleeping = clock.sleep(100, control.signal)
  control.abort(new Error('enough'))
  await expect(sleeping).rejects.toThrow('enough')
  expect(clock.sleepers).toBe(0)
  await expect(clock.sleep(1, control.signal)).rejects.toThrow('enough')
})

test('who starts to sleep can be waited for', async () => {
  const clock = createHandClock()
  const two = clock.asleep(2)
  const sleeps = [clock.sleep(10), clock.sleep(20)]
  await two
  await clock.advance(20)
  await Promise.all(sleeps)
})
