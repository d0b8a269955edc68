import { describe, expect, test } from 'vitest'
import { parseAuthorization } from '../../../src/access/credentials.ts'
import { workTime } from '../../kit/work-time.ts'

test('blanks around and between what is shown mean nothing, however many', () => {
  const shown = parseAuthorization('Bearer abc')
  expect(parseAuthorization(' \t Bearer \t abc \t')).toEqual(shown)
  expect(parseAuthorization(`Bearer${' '.repeat(5_000)}abc`)).toEqual(shown)
})

test('a field full of blanks is read at once, as everybody may send it', () => {
  const ms = workTime(() => {
    for (let at = 0; at < 20; at++) parseAuthorization(`Bearer a${' '.repeat(8_000)}b`)
  })
  expect(ms).toBeLessThan(1_000)
})

describe('what is ours is never taken for a password, or for a token of others', () => {
  const token = `forebay_${'a'.repeat(204)}`
  const basic = (password: string) => `Basic ${Buffer.from(`ada:${password}`).toString('base64')}`

  test.each([token, token.slice(0, -1), `${token}a`, `${token}\n`, token.slice(0, 60)])('a token, whole or not: %j', (one) => {
    expect(parseAuthorization(basic(one))).toEqual({ kind: 'token', token: one, isOurs: true })
    expect(parseAuthorization(`Bearer ${one}`)).toMatchObject({ kind: 'token', isOurs: true })
  })

  test('a ticket, wherever it stands', () => {
    const ticket = `forebayt_${'a'.repeat(100)}`
    for (const field of [basic(ticket), `Bearer ${ticket}`])
      expect(parseAuthorization(field)).toEqual({ kind: 'ticket', text: ticket })
  })

  test('a password that only begins like one is one', () =>
    expect(parseAuthorization(basic('forebay_is-fine'))).toMatchObject({ kind: 'password', password: 'forebay_is-fine' }))
})
