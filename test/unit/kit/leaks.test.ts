import { open, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { holdings, leaked } from '../../kit/leaks.ts'

test('an open file is a leak until it is closed', async () => {
  const path = join(tmpdir(), `forebay-leak-${process.pid}`)
  const before = await holdings()
  const file = await open(path, 'w')
  expect(leaked(before, await holdings())).toContain(`file ${path}`)
  await file.close()
  await rm(path)
  expect(leaked(before, await holdings())).toEqual([])
})

test('a listening socket and a timer are leaks', async () => {
  const before = await holdings()
  const server = createServer()
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const timer = setInterval(() => {}, 60_000)
  expect(leaked(before, await holdings())).toEqual(
    expect.arrayContaining([expect.stringContaining('socket'), '1 × TCPServerWrap', '1 × Timeout']),
  )
  clearInterval(timer)
  await new Promise((done) => server.close(done))
})
