import { utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { format, inspect } from 'node:util'
import { expect, test } from 'vitest'
import { loadConfig } from '../../../src/config/load.ts'
import { secretFromFile, secretFromVariable } from '../../../src/config/secrets.ts'
import { tempFolder } from '../../kit/temp-folder.ts'

const value = 'correct-horse-battery'

test.each([
  ['a template', (secret: unknown) => `${secret}`],
  ['JSON', (secret: unknown) => JSON.stringify({ secret })],
  ['inspect', (secret: unknown) => inspect({ secret }, { depth: 9, showHidden: true })],
  ['format', (secret: unknown) => format('%s %o %j', secret, secret, secret)],
  ['its own keys', (secret: unknown) => JSON.stringify(Object.entries(secret as object).map(String))],
])('a secret does not show in %s', (_how, print) => {
  const secret = secretFromVariable('HUB', { HUB: value })
  expect(print(secret)).not.toContain(value)
  expect(secret.read()).toBe(value)
})

test('settings with secrets in them can be printed', async () => {
  await using folder = await tempFolder()
  writeFileSync(join(folder.path, 'password'), `${value}\n`)
  const file = join(folder.path, 'site.yaml')
  writeFileSync(
    file,
    `upstreams:
  a: { kind: oci, url: "https://a.example", credentials: { username: me, password: { file: password } } }
  b: { kind: oci, url: "https://b.example", credentials: { username: me, password: { env: FOREBAY_B_PASSWORD } } }`,
  )
  const config = loadConfig(file, { FOREBAY_B_PASSWORD: value })
  const passwords = [...config.upstreams.values()].map(({ credentials }) =>
    credentials && 'password' in credentials ? credentials.password.read() : undefined,
  )
  expect(passwords).toEqual([value, value])
  expect(inspect(config, { depth: 9 }) + JSON.stringify([...config.upstreams])).not.toContain(value)
})

test('a secret in a file loses the line break at its end, and nothing else', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'secret')
  for (const [written, read] of [
    ['a b \n', 'a b '],
    ['a\r\n', 'a'],
    ['a\n\n', 'a\n'],
    ['a', 'a'],
  ] as const) {
    writeFileSync(file, written)
    expect(secretFromFile(file).read()).toBe(read)
  }
})

test('a secret is read again once its file has changed', async () => {
  await using folder = await tempFolder()
  const file = join(folder.path, 'secret')
  writeFileSync(file, 'old')
  const secret = secretFromFile(file)
  expect(secret.read()).toBe('old')
  writeFileSync(file, 'new')
  utimesSync(file, new Date(), new Date(Date.now() + 5000))
  expect(secret.read()).toBe('new')
})

test('a secret that is not there names its place', () => {
  expect(() => secretFromVariable('NOPE', {}).read()).toThrow('NOPE is not set')
  expect(() => secretFromFile('/nonexistent/secret').read()).toThrow('/nonexistent/secret')
})
