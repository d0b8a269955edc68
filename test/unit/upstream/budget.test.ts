import { beforeEach, describe, expect, test } from 'vitest'
import type { Fault } from '../../../src/model/fault.ts'
import { type Budget, createBudget, type Reserve } from '../../../src/upstream/budget.ts'
import { faultOf } from '../../kit/bytes.ts'
import { createHandClock, type HandClock } from '../../kit/hand-clock.ts'
import { hub } from '../../kit/questions.ts'
import { createRecordedLog, type RecordedLog } from '../../kit/recorded-log.ts'

describe('a budget', () => {
  let clock: HandClock
  let log: RecordedLog
  let budget: Budget

  function start(reserve: Reserve = { share: 0.1 }): void {
    clock = createHandClock()
    log = createRecordedLog()
    budget = createBudget({ id: hub, url: new URL('https://hub.example'), reserve, clock, log })
  }
  beforeEach(() => start())

  const hears = (fields: Readonly<Record<string, string>>) =>
    budget.heard({ headers: (name) => (fields[name] === undefined ? [] : [fields[name]]) })
  const left = (remaining: number, more = {}) =>
    hears({ 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': `${remaining};w=21600`, ...more })
  const asks = (canDoWithout: boolean) => faultOf(budget.spend(canDoWithout, async () => {}))
  const asksFor = { known: () => asks(true), unknown: () => asks(false) }

  test('of which nothing was said is spent freely', async () => {
    expect([budget.told, await asksFor.known()]).toEqual([undefined, undefined])
    hears({ 'content-type': 'text/plain' })
    expect([budget.told, await asksFor.known()]).toEqual([undefined, undefined])
  })

  test('is spent down to a tenth for what is known, and to the end for what is not', async () => {
    left(11)
    expect([await asksFor.known(), await asksFor.unknown()]).toEqual([undefined, undefined])
    left(10)
    expect([await asksFor.known(), await asksFor.unknown()]).toEqual(['upstream-limited', undefined])
    left(0)
    expect([await asksFor.known(), await asksFor.unknown()]).toEqual(['upstream-limited', undefined])
    expect(budget.told).toMatchObject({ limit: 100, remaining: 0 })
  })

  test('has a reserve of so many, or none, as the settings say', async () => {
    start({ count: 40 })
    left(41)
    expect(await asksFor.known()).toBeUndefined()
    left(40)
    expect(await asksFor.known()).toBe('upstream-limited')
    start({ count: 0 })
    left(1)
    expect(await asksFor.known()).toBeUndefined()
  })

  test('counts what is being asked before it is told', async () => {
    left(12)
    const { promise, resolve } = Promise.withResolvers<void>()
    const running = [budget.spend(true, () => promise), budget.spend(true, () => promise)]
    expect(await asksFor.known()).toBe('upstream-limited')
    resolve()
    await Promise.all(running)
    expect(await asksFor.known()).toBeUndefined()
  })

  test('is there again when the window is over, and after an hour where none was said', async () => {
    left(3)
    await clock.advance(21_600_000 - 1)
    expect(await asksFor.known()).toBe('upstream-limited')
    await clock.advance(1)
    expect([budget.told, await asksFor.known()]).toEqual([undefined, undefined])
    hears({ ratelimit: 'limit=100, remaining=3, reset=30' })
    await clock.advance(30_000)
    expect(await asksFor.known()).toBeUndefined()
    hears({ 'ratelimit-limit': '100', 'ratelimit-remaining': '3' })
    await clock.advance(3_600_000 - 1)
    expect(await asksFor.known()).toBe('upstream-limited')
    await clock.advance(1)
    expect(await asksFor.known()).toBeUndefined()
  })

  test('that is spared tells why, and when to look again', async () => {
    left(9)
    const fault = (await budget.spend(true, async () => {}).catch((error) => error)) as Fault
    expect(fault.message).toBe(
      'https://hub.example/ was not asked: it allows 9 of 100 more pulls, and 10 are kept for names that were never seen here',
    )
    expect(fault.details).toMatchObject({ retryAfterMs: 60_000 })
  })

  test('is told in the log when it gets low and when it is not any more, each once', () => {
    left(50)
    left(10, { 'docker-ratelimit-source': '192.0.2.7' })
    left(9)
    left(80)
    left(70)
    expect(log.lines.map(({ level, event }) => [level, event])).toEqual([
      ['warn', 'budget.low'],
      ['info', 'budget.enough'],
    ])
    expect(log.lines[0]!.fields).toMatchObject({ upstream: hub, remaining: 10, limit: 100, source: '192.0.2.7' })
  })
})
