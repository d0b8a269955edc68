import { describe, expect, test } from 'vitest'
import { createShares, type Shares } from '../../../src/transfer/shares.ts'
import { createHandClock } from '../../kit/hand-clock.ts'

const never = new AbortController().signal

/** Takes parts of that size, one after another, for as long as the test goes on; counts the bytes. */
function taker(shares: Shares, who: string, bytes: number, signal = never) {
  const taken = { bytes: 0 }
  const work = async () => {
    for (;;) {
      await shares.take(who, bytes, signal)
      taken.bytes += bytes
    }
  }
  work().catch(() => {})
  return taken
}

describe('a rate that is shared', () => {
  test('is kept to, however many take part', async () => {
    const clock = createHandClock()
    const shares = createShares(1000, clock)
    const takers = [taker(shares, 'a', 50), taker(shares, 'b', 70), taker(shares, 'c', 10)]
    for (let second = 1; second <= 5; second++) {
      await clock.advance(1000)
      const all = takers.reduce((sum, { bytes }) => sum + bytes, 0)
      expect(Math.abs(all - 1000 * second)).toBeLessThanOrEqual(150) // of one part each, and a tenth of a second
    }
  })

  test('is shared by who takes part, not by how often or how much at once', async () => {
    const clock = createHandClock()
    const shares = createShares(10_000, clock)
    const many = Array.from({ length: 5 }, () => taker(shares, 'many', 100))
    const one = taker(shares, 'one', 1000)
    await clock.advance(10_000)
    const ofMany = many.reduce((sum, { bytes }) => sum + bytes, 0)
    expect(Math.abs(ofMany - one.bytes)).toBeLessThanOrEqual(2000)
    expect(ofMany + one.bytes).toBeGreaterThan(95_000)
  })

  test('is all of it for one who is alone, and is saved up by nobody who was away', async () => {
    const clock = createHandClock()
    const shares = createShares(1000, clock)
    const leaving = new AbortController()
    const early = taker(shares, 'early', 10)
    await clock.advance(60_000)
    expect(early.bytes).toBeGreaterThan(59_000)
    const late = taker(shares, 'late', 10, leaving.signal)
    await clock.advance(10_000)
    expect(late.bytes).toBeLessThan(5_500)
    expect(late.bytes).toBeGreaterThan(4_500)
    leaving.abort()
    const before = early.bytes
    await clock.advance(10_000)
    expect(early.bytes - before).toBeGreaterThan(9_500)
  })

  test('lets go at once of whoever leaves', async () => {
    const clock = createHandClock()
    const shares = createShares(10, clock)
    await clock.advance(1000)
    await shares.take('a', 1000, never) // on credit
    const control = new AbortController()
    const waiting = shares.take('b', 1, control.signal)
    control.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
    await expect(shares.take('b', 1, control.signal)).rejects.toThrow('gone')
  })

  test('may change while somebody waits', async () => {
    const clock = createHandClock()
    const shares = createShares(1, clock)
    await clock.advance(2000)
    await shares.take('a', 1_000_000, never)
    const waiting = shares.take('a', 1, never)
    await clock.advance(1000)
    shares.setRate(Number.POSITIVE_INFINITY)
    await clock.advance(1)
    await waiting
    await shares.take('b', 1_000_000, never)
    shares.setRate(1000)
    const taken = taker(shares, 'c', 10)
    await clock.advance(1000)
    expect(taken.bytes).toBeLessThanOrEqual(1200)
  })
})
