import { expect, test } from 'vitest'
import { pulseIsLost } from '../../../src/boot/pulse.ts'
import { createHandClock } from '../../kit/hand-clock.ts'

const s = 1000

function watched() {
  const clock = createHandClock()
  const over = new AbortController()
  const answers: (() => void)[] = [] // of questions that wait for one
  const told: boolean[] = []
  const ping = () => new Promise<void>((resolve) => void answers.push(resolve))
  void pulseIsLost(ping, clock, over.signal).then((isLost) => told.push(isLost))
  const answer = () => {
    for (const one of answers.splice(0)) one()
  }
  return { clock, over, answers, told, answer }
}

test('what answers is left alone, however late, and has longer to begin with', async () => {
  const { clock, told, answer } = watched()
  await clock.advance(50 * s)
  expect(told).toEqual([])
  for (let times = 0; times < 20; times++) {
    answer()
    await clock.advance(12 * s)
  }
  expect(told).toEqual([])
})

test('what does not answer any more is lost, and is asked once', async () => {
  const { clock, told, answer, answers } = watched()
  await clock.advance(3 * s)
  answer()
  await clock.advance(12 * s)
  expect([told, answers.length]).toEqual([[], 1])
  await clock.advance(9 * s)
  expect([told, answers.length]).toEqual([[true], 1])
})

test('what never answered is lost too', async () => {
  const { clock, told } = watched()
  await clock.advance(61 * s)
  expect(told).toEqual([true])
})

test('nobody is watched who has ended', async () => {
  const { clock, over, told } = watched()
  await clock.advance(20 * s)
  over.abort()
  await clock.advance(100 * s)
  expect([told, clock.sleepers]).toEqual([[false], 0])
})
