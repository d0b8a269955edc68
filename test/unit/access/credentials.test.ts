import { expect, test } from 'vitest'
import { parseAuthorization } from '../../../src/access/credentials.ts'

test('blanks around and between what is shown mean nothing, however many', () => {
  const shown = parseAuthorization('Bearer abc')
  expect(parseAuthorization(' \t Bearer \t abc \t')).toEqual(shown)
  expect(parseAuthorization(`Bearer${' '.repeat(5_000)}abc`)).toEqual(shown)
})

test('a field full of blanks is read at once, as everybody may send it', () => {
  const before = process.threadCpuUsage()
  for (let at = 0; at < 20; at++) parseAuthorization(`Bearer a${' '.repeat(8_000)}b`)
  expect(process.threadCpuUsage(before).user / 1000).toBeLessThan(1_000)
})
