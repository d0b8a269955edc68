import { hashSync } from 'bcryptjs'
import { expect, test } from 'vitest'
import { parseHtpasswd } from '../../../src/access/htpasswd.ts'

const hash = hashSync('open sesame', 4)

test('bcrypt in its three spellings is taken, and the highest cost is known', () => {
  const lines = ['# users', `a:${hash.replace('$2b$', '$2y$')}`, '', `b:${hash.replace('$2b$', '$2a$')}`, `c:${hashSync('x', 6)}`]
  const read = parseHtpasswd(`${lines.join('\r\n')}\n`, 'users')
  expect(read).toMatchObject({ cost: 6 })
  expect('hashes' in read && [...read.hashes.keys()]).toEqual(['a', 'b', 'c'])
})

test.each([
  { what: 'a crypt of md5', line: 'ann:$apr1$abcdefgh$1234567890123456789012', says: 'not hashed by bcrypt' },
  { what: 'a SHA-1', line: 'ann:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=', says: 'not hashed by bcrypt' },
  { what: 'a plain password', line: 'ann:open-sesame', says: 'not hashed by bcrypt' },
  { what: 'no colon', line: 'ann', says: 'expected NAME:HASH' },
  { what: 'a cost that takes days', line: `ann:${hash.replace('$04$', '$31$')}`, says: 'cost 31' },
  { what: 'a name that means others', line: `anonymous:${hash}`, says: 'means others' },
])('$what is a mistake that names the line and tells no hash', ({ line, says }) => {
  const read = parseHtpasswd(`bob:${hash}\n${line}\n`, '/etc/users')
  const mistakes = 'mistakes' in read ? read.mistakes : []
  expect(mistakes).toHaveLength(1)
  expect(mistakes[0]).toContain('/etc/users, line 2: ')
  expect(mistakes[0]).toContain(says)
  expect(mistakes[0]).not.toContain(line.slice(4) || hash)
})

test('a user stands there once', () => {
  expect(parseHtpasswd(`bob:${hash}\nbob:${hash}\n`, 'users')).toMatchObject({ mistakes: [expect.stringContaining('line 2')] })
})
