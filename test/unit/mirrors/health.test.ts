import { describe, expect, test } from 'vitest'
import { createHealth } from '../../../src/mirrors/health.ts'
import { Fault } from '../../../src/model/fault.ts'

const second = 1000
const minute = 60 * second
const failure = { kind: 'fault', fault: new Fault('upstream-status', { url: 'http://a/', status: 500 }) } as const
const lie = { kind: 'fault', fault: new Fault('corrupt', { what: 'x', expected: 'a', actual: 'b' }) } as const
const bytes = (count: number, ms: number) => ({ kind: 'bytes', bytes: count, ms }) as const

function at() {
  let now = 1_000_000
  const health = createHealth(() => now)
  const fail = (times: number) => {
    for (let count = 0; count < times; count++) health.report(failure)
  }
  return { health, fail, pass: (ms: number) => (now += ms), now: () => now }
}

describe('the health of a place', () => {
  test('is doubted after one failure and down after three in a row', () => {
    const { health, fail } = at()
    expect([health.state, health.mayAsk()]).toEqual(['up', true])
    fail(1)
    expect([health.state, health.mayAsk()]).toEqual(['suspect', true])
    fail(1)
    expect([health.state, health.mayAsk()]).toEqual(['suspect', true])
    fail(1)
    expect([health.state, health.mayAsk()]).toEqual(['down', false])
    expect(health.lastError).toContain('answered 500')
  })

  test('is good again after bytes, so that two failures later are not three', () => {
    const { health, fail } = at()
    fail(2)
    health.report(bytes(10, 1))
    fail(2)
    expect(health.state).toBe('suspect')
  })

  test('pauses for 30 s, then twice as long each time, and never longer than a quarter of an hour', () => {
    const { health, fail, pass, now } = at()
    fail(3)
    const pauses: number[] = []
    for (let round = 0; round < 8; round++) {
      pauses.push(health.downUntil! - now())
      pass(health.downUntil! - now() - 1)
      expect(health.mayAsk()).toBe(false)
      pass(1)
      expect(health.mayAsk()).toBe(true)
      fail(1)
    }
    expect(pauses).toEqual([30, 60, 120, 240, 480, 900, 900, 900].map((s) => s * second))
  })

  test('stays down when its pause is over until somebody has seen it work', () => {
    const { health, fail, pass } = at()
    fail(3)
    pass(minute)
    expect([health.state, health.mayAsk()]).toEqual(['down', true])
    health.report({ kind: 'answer' })
    expect([health.state, health.downUntil]).toEqual(['suspect', undefined])
    health.report(bytes(10, 1))
    expect(health.state).toBe('up')
  })

  test('that answers questions and never gives bytes still goes down, and again after one more failure', () => {
    const { health, fail, pass } = at()
    for (let round = 0; round < 3; round++) {
      fail(1)
      health.report({ kind: 'answer' })
    }
    expect([health.state, health.mayAsk()]).toEqual(['down', false])
    pass(minute)
    health.report({ kind: 'answer' })
    expect(health.state).toBe('suspect')
    fail(1)
    expect(health.state).toBe('down')
  })

  test('counts unanswered questions in a row, and an answer between them', () => {
    const { health } = at()
    const unanswered = { ...failure, wasQuestion: true }
    for (const outcome of [unanswered, unanswered, { kind: 'answer' } as const, unanswered, unanswered]) health.report(outcome)
    expect(health.state).toBe('suspect')
    health.report(unanswered)
    expect(health.state).toBe('down')
  })

  test('is down at once and for long after wrong bytes, and no mere answer mends that', () => {
    const { health, pass, now } = at()
    health.report(lie)
    expect([health.state, health.downUntil! - now()]).toEqual(['down', 15 * minute])
    health.report({ kind: 'answer' })
    expect(health.state).toBe('down')
    pass(15 * minute)
    expect(health.mayAsk()).toBe(true)
    health.report(bytes(1000, 1))
    expect(health.state).toBe('up')
  })

  test.each([
    new Fault('not-found', { what: 'x' }),
    new Fault('disk-full', { path: '/data' }),
    new Fault('cancelled', { what: 'x' }),
  ])('is not hurt by $code', (fault) => {
    const { health } = at()
    for (let count = 0; count < 5; count++) health.report({ kind: 'fault', fault })
    expect([health.state, health.lastError]).toEqual(['up', undefined])
  })

  test('knows its speed from bodies worth measuring, the newest weighing a third', () => {
    const { health } = at()
    health.report(bytes(1000, 1))
    expect(health.bytesPerSecond).toBeUndefined()
    health.report(bytes(10_000_000, 1000))
    expect(health.bytesPerSecond).toBe(10_000_000)
    health.report(bytes(20_000_000, 1000))
    expect(health.bytesPerSecond).toBe(13_000_000)
    health.report(bytes(20_000_000, 0))
    expect(health.bytesPerSecond).toBe(13_000_000)
  })
})
