import { describe, expect, test } from 'vitest'
import { createAttempts, createFailures, mostFailures } from '../../../src/access/attempts.ts'
import { createLogins } from '../../../src/access/logins.ts'

const hashes = new Map([['alice', 'right']])

/** Passwords that are their own hash; counts how many were compared. */
function bench() {
  const asked: string[] = []
  const clock = { at: 1_000_000, now: () => clock.at }
  const passwords = {
    async isRight(password: string, hash: string) {
      asked.push(hash)
      return password === hash
    },
  }
  const logins = createLogins({ passwords, attempts: createAttempts(createFailures(clock)), clock })
  logins.setUsers({ hashes, cost: 12 })
  return { asked, clock, logins }
}

describe('a name and a password', () => {
  test('are compared once for many who ask at once, and not again for minutes', async () => {
    const { asked, clock, logins } = bench()
    const all = Array.from({ length: 50 }, () => logins.check('alice', 'right', '10.0.0.1'))
    expect(await Promise.all(all)).toEqual(Array(50).fill(true))
    clock.at += 60_000
    expect(logins.check('alice', 'right', '10.0.0.2')).toBe(true)
    expect(asked).toHaveLength(1)
    clock.at += 300_000
    expect(await logins.check('alice', 'right', '10.0.0.1')).toBe(true)
    expect(asked).toHaveLength(2)
  })

  test('are found out anew when the users have changed', async () => {
    const { logins } = bench()
    expect(await logins.check('alice', 'right', '10.0.0.1')).toBe(true)
    logins.setUsers({ hashes: new Map([['alice', 'other']]), cost: 12 })
    expect(await logins.check('alice', 'right', '10.0.0.1')).toBe(false)
  })

  test('of nobody are compared all the same, at the usual cost', async () => {
    const { asked, logins } = bench()
    expect(await logins.check('mallory', 'guess', '10.0.0.1')).toBe(false)
    expect(asked).toEqual([expect.stringMatching(/^\$2b\$12\$.{53}$/)])
  })
})

describe('who guesses', () => {
  test('is told to wait after some guesses, for a minute, and nobody else is', async () => {
    const { asked, clock, logins } = bench()
    const guess = async (at: number, address = '10.0.0.1') => logins.check('alice', `guess-${at}`, address)
    for (let at = 0; at < mostFailures; at++) expect(await guess(at)).toBe(false)
    await expect(guess(99)).rejects.toMatchObject({ code: 'client-limited', details: { retryAfterMs: 60_000 } })
    expect(asked).toHaveLength(mostFailures)
    expect(await guess(98, '10.0.0.2')).toBe(false)
    clock.at += 60_001
    expect(await guess(99)).toBe(false)
  })

  test('gets no more guesses by making them all at once', async () => {
    const { asked, logins } = bench()
    const all = Array.from({ length: 40 }, async (_, at) => logins.check('alice', `guess-${at}`, '10.0.0.1'))
    const ends = await Promise.allSettled(all)
    expect(ends.filter(({ status }) => status === 'rejected')).toHaveLength(40 - mostFailures)
    expect(asked).toHaveLength(mostFailures)
  })

  test('locks out nobody whose password is known to be right', async () => {
    const { logins } = bench()
    await logins.check('alice', 'right', '10.0.0.1')
    for (let at = 0; at < mostFailures; at++) await logins.check('alice', `guess-${at}`, '10.0.0.1')
    expect(logins.check('alice', 'right', '10.0.0.1')).toBe(true)
  })

  test('counts once for a client that goes on with one wrong password', async () => {
    const { asked, logins } = bench()
    for (let at = 0; at < 3 * mostFailures; at++) expect(await logins.check('alice', 'old', '10.0.0.1')).toBe(false)
    expect(asked).toHaveLength(1)
  })

  test('is one in all addresses of a /64', async () => {
    const { logins } = bench()
    for (let at = 0; at < mostFailures; at++) await logins.check('alice', `guess-${at}`, `2001:db8:0:1::${at + 1}`)
    await expect(logins.check('alice', 'more', '2001:db8:0:1:9:9:9:9')).rejects.toMatchObject({ code: 'client-limited' })
    expect(await logins.check('alice', 'more still', '2001:db8:0:2::1')).toBe(false)
  })
})
