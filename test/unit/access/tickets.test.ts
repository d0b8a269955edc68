import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Ticket } from '../../../src/access/access.ts'
import { createTickets, isTicket } from '../../../src/access/tickets.ts'
import { tokensFolder } from '../../../src/access/tokens.ts'
import type { UpstreamId } from '../../../src/model/reference.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

let folder: TempFolder
let now = 1_000_000
beforeAll(async () => {
  folder = await tempFolder()
})
afterAll(() => folder[Symbol.asyncDispose]())

const open = () => createTickets(folder.path, () => now)
const upstreams = ['lab.example' as UpstreamId]
const ticket: Ticket = {
  principal: { kind: 'user', name: 'alice' },
  credentials: { kind: 'password', username: 'carol', password: 'carols-own-password', upstreams },
}

test('a ticket is opened by every process of the server, also after a restart', async () => {
  const [one, other] = await Promise.all([open(), open()])
  const text = one.seal(ticket, now + 1000)
  expect(other.open(text)).toEqual(ticket)
  expect((await open()).open(text)).toEqual(ticket)
})

test('it tells its bearer nothing, and is another text each time', async () => {
  const tickets = await open()
  const [one, other] = [tickets.seal(ticket, now + 1000), tickets.seal(ticket, now + 1000)]
  expect(isTicket(one)).toBe(true)
  expect(one).not.toBe(other)
  const bytes = Buffer.from(one.slice(one.indexOf('_') + 1), 'base64url').toString('latin1')
  for (const secret of ['carol', 'alice', 'lab.example']) expect(bytes).not.toContain(secret)
})

test('it is over when its time is', async () => {
  const tickets = await open()
  const text = tickets.seal(ticket, now + 1000)
  now += 999
  expect(tickets.open(text)).toEqual(ticket)
  now += 1
  expect(tickets.open(text)).toBeUndefined()
})

test('what was changed anywhere, cut, or never sealed here opens nothing', async () => {
  const tickets = await open()
  const text = tickets.seal(ticket, now + 1000)
  await using elsewhere = await tempFolder()
  expect((await createTickets(elsewhere.path, () => now)).open(text)).toBeUndefined()
  for (const at of [10, 30, 60, text.length - 2]) {
    const changed = text.slice(0, at) + (text[at] === 'A' ? 'B' : 'A') + text.slice(at + 1)
    expect(tickets.open(changed)).toBeUndefined()
  }
  for (const none of ['', 'forebayt_', text.slice(0, 40), text.slice(1)]) expect(tickets.open(none)).toBeUndefined()
})

test('the key is for the user of the server alone', async () => {
  await open()
  const path = join(tokensFolder(folder.path), 'tickets.key')
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await readFile(path)).toHaveLength(32)
})
