import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'

const floors: Readonly<Record<string, number>> = {
  model: 0,
  formats: 1,
  system: 1,
  config: 1,
  store: 2,
  records: 2,
  upstream: 2,
  mirrors: 2,
  access: 2,
  transfer: 3,
  catalog: 4,
  edge: 5,
  workers: 5,
  cli: 5,
  boot: 6,
}
const doors: Readonly<Record<string, string>> = {
  hono: 'edge',
  '@hono/node-server': 'boot',
  bcryptjs: 'access',
  undici: 'system',
  'lru-cache': 'system',
  pino: 'system',
  keyv: 'records',
  '@keyv/redis': 'records',
  openpgp: 'system',
  xml2js: 'formats',
  zod: 'config',
  yaml: 'config',
}
// What a folder offers to the floors above it, where that is not all of it.
const contracts: Readonly<Record<string, RegExp>> = {
  store: /^blob-store\.ts$/,
  records: /^records\.ts$/,
  upstream: /^upstream\.ts$/,
  mirrors: /^mirrors\.ts$/,
  access: /^access\.ts$/,
  transfer: /^transfer\.ts$/,
  catalog: /^catalog\.ts$/,
}

const files = globSync('src/**/*.{ts,mjs}').map((file) => file.replaceAll('\\', '/'))
const imports = files.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/\b(?:from\s+|import\s*\(?\s*)'([^']+)'/g)].map((match) => ({ file, to: match[1]! })),
)
const roomOf = (file: string) => file.split('/')[1]!

test('there is something to check', () => expect(imports.length).toBeGreaterThan(100))

test.each(imports.filter(({ to }) => to.startsWith('.')))('$file may import $to', ({ file, to }) => {
  const target = path.posix.join(path.posix.dirname(file), to)
  const [from, into] = [roomOf(file), roomOf(target)]
  expect(files, 'imports name a file that is there').toContain(target)
  if (!(from in floors) || from === into) return
  expect(floors[into], `${into} must lie below ${from}`).toBeLessThan(floors[from]!)
  if (from !== 'boot' && contracts[into])
    expect(path.posix.basename(target), 'only contracts are imported across folders').toMatch(contracts[into])
})

test.each(imports.filter(({ to }) => !to.startsWith('.') && !to.startsWith('node:')))('$file may use $to', ({ file, to }) => {
  const name = to.startsWith('@') ? to.split('/').slice(0, 2).join('/') : to.split('/')[0]!
  expect(roomOf(file), `${name} has one door`).toBe(doors[name])
})
