import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Tokens } from '../../../src/access/access.ts'
import { parseAuthorization } from '../../../src/access/credentials.ts'
import { createTokens, hashToken, readTokens, tokensFolder } from '../../../src/access/tokens.ts'
import { tempFolder } from '../../kit/temp-folder.ts'

let folder: Awaited<ReturnType<typeof tempFolder>>
let tokens: Tokens
let now = 1_000

beforeEach(async () => {
  folder = await tempFolder()
  now = 1_000
  tokens = createTokens(folder.path, () => now++)
})
afterEach(() => folder[Symbol.asyncDispose]())

test('a token is long enough for every client, and only its hash is kept, for us alone', async () => {
  const { token, id } = await tokens.issue('ci', 60_000)
  expect(token.length).toBeGreaterThanOrEqual(200)
  expect(token.length).toBeLessThan(4096)
  const [file = ''] = await readdir(tokensFolder(folder.path))
  const path = join(tokensFolder(folder.path), file)
  const text = await readFile(path, 'utf8')
  expect(text).not.toContain(token)
  expect(text).toContain(hashToken(token))
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect(await tokens.list()).toEqual([{ id, name: 'ci', createdAt: 1_000, expiresAt: 61_000 }])
})

test('what is revoked is gone, once', async () => {
  const { id } = await tokens.issue('ci', undefined)
  const other = await tokens.issue('ci', undefined)
  expect([await tokens.revoke(id), await tokens.revoke(id), await tokens.revoke('../x')]).toEqual([true, false, false])
  expect((await tokens.list()).map((one) => one.id)).toEqual([other.id])
})

test.each(['', 'anonymous', 'a b', '../a', 'a:b', '*'])('nobody is called "%s"', async (name) => {
  await expect(tokens.issue(name, undefined)).rejects.toMatchObject({ code: 'request-invalid' })
})

test('a damaged file harms no other token', async () => {
  const { id } = await tokens.issue('ci', undefined)
  const path = join(tokensFolder(folder.path), '0123456789ab.json')
  await writeFile(path, '{"name":')
  expect(await readTokens(folder.path)).toMatchObject({ tokens: [{ id }], damaged: [path] })
})

test('a token is read as a Bearer token in any capitals, and in the place of a password', async () => {
  const { token } = await tokens.issue('ci', undefined)
  const basic = `basic ${Buffer.from(`whoever:${token}`).toString('base64')}`
  for (const field of [`Bearer ${token}`, `BEARER  ${token}`, basic])
    expect(parseAuthorization(field)).toEqual({ kind: 'token', token, isOurs: true })
})

test.each([
  { field: undefined, kind: 'nothing' },
  { field: 'Bearer ', kind: 'nothing' },
  { field: `Basic ${Buffer.from(':').toString('base64')}`, kind: 'nothing' },
  { field: 'Basic ????', kind: 'unknown' },
  { field: 'Negotiate abc', kind: 'unknown' },
  { field: 'Bearer forebayt_abc', kind: 'ticket' },
])('"$field" shows $kind', ({ field, kind }) => {
  expect(parseAuthorization(field).kind).toBe(kind)
})

test('a password may hold colons and letters of any alphabet', () => {
  const field = `Basic ${Buffer.from('ann:a:ü').toString('base64')}`
  expect(parseAuthorization(field)).toEqual({ kind: 'password', name: 'ann', password: 'a:ü' })
})
