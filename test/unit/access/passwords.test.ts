import { hashSync } from 'bcryptjs'
import { expect, test } from 'vitest'
import { createPasswords } from '../../../src/access/passwords.ts'

test('passwords are compared while the loop goes on', async () => {
  const passwords = createPasswords()
  const hash = hashSync('open sesame', 10).replace('$2b$', '$2y$')
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  const found = await Promise.all(['open sesame', 'Open sesame', ''].map((one) => passwords.isRight(one, hash)))
  clearInterval(timer)
  await passwords.close()
  expect(found).toEqual([true, false, false])
  expect(turns).toBeGreaterThan(5)
})

test('what is being compared is compared before it closes', async () => {
  const passwords = createPasswords()
  const found = passwords.isRight('a', hashSync('a', 4))
  await passwords.close()
  expect(await found).toBe(true)
})
