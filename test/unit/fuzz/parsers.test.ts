import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'
import { Fault } from '../../../src/model/fault.ts'
import { anyText, bytesOfText, fuzzing, fuzzPatience, fuzzRuns, nasties, spoiltJson } from '../../kit/fuzz.ts'
import { type Parser, parsers } from './parsers.ts'

const runsOfEach = 1_300
const source = fileURLToPath(new URL('../../../src/', import.meta.url))

/** What is said again and again. */
const shortOnes = [...nasties.filter(({ length }) => length > 0 && length < 5), 'a', '-a', 'a.', ' a', '<a ', '="', ';a=', '%41']

const patience = { timeout: fuzzPatience(120_000) }

let inputs = 0

/** Ends with a value or with a fault that it may end with. */
async function tryOut(parser: Parser, text: string): Promise<void> {
  inputs++
  const bytes = parser.kind === 'bytes' ? Buffer.from(text, 'latin1') : bytesOfText(text)
  let made: unknown
  try {
    const read = parser.read(text, bytes)
    made = read instanceof Promise ? await read : read
  } catch (error) {
    if (!(error instanceof Fault) || !parser.faults?.includes(error.code)) throw error
    if (error.message.length > 1_000) throw new Error(`a message of ${error.message.length} characters`, { cause: error })
    return
  }
  for (const path of parser.paths?.(made as never) ?? []) if (leadsOut(path)) throw new Error(`${JSON.stringify(path)} leads out`)
}

/** Also as a URL, and decoded once more, it is to stay where it is put. */
function leadsOut(path: string): boolean {
  const plain = path.includes('%') ? decodeURIComponent(path) : path
  if (/[\0\\]/.test(plain) || plain.startsWith('/')) return true
  if (!posix.join('/a/b', plain).startsWith('/a/b') || plain.split('/').includes('..')) return true
  return !new URL(
    `./${path.includes('%') ? path : encodeURIComponent(path).replaceAll('%2F', '/')}`,
    'https://h.example/a/b/',
  ).pathname.startsWith('/a/b/')
}

function textsFor({ kind, seeds }: Parser): fc.Arbitrary<string> {
  const any = anyText(seeds)
  return kind === 'json' ? fc.oneof({ weight: 3, arbitrary: spoiltJson(seeds) }, { weight: 2, arbitrary: any }) : any
}

describe.each(parsers.map((parser) => [parser.of, parser] as const))('%s', (_of, parser) => {
  test('reads what is right', async () => {
    for (const seed of parser.seeds) await tryOut(parser, seed)
  })

  test('ends with a value or with one of its faults, whatever it is given, and leads nowhere', patience, async () => {
    await fc.assert(
      fc.asyncProperty(textsFor(parser), (text) => tryOut(parser, text)),
      fuzzing(runsOfEach) as fc.Parameters<[string]>,
    )
  })

  test.skipIf(parser.isOwn)('takes no time to speak of for 64 KiB of anything said again and again', patience, async () => {
    const [seed = ''] = parser.seeds
    const pieces = new Set([...shortOnes, ...seed.slice(0, 30), seed.slice(0, 20), ` ${seed.slice(-9)}`])
    for (const piece of pieces) {
      const many = piece.repeat(Math.ceil(65_536 / piece.length))
      for (const text of [seed.slice(0, seed.length / 2) + many, `${seed}${many}\0`, `${many}${seed}`])
        if ((await msOf(parser, text)) > 1_000 && (await msOf(parser, text)) > 1_000)
          throw new Error(`${parser.of} takes more than a second for ${JSON.stringify(piece)} again and again`)
    }
  })
})

async function msOf(parser: Parser, text: string): Promise<number> {
  const before = process.threadCpuUsage() // others may have the machine meanwhile
  await tryOut(parser, text)
  return process.threadCpuUsage(before).user / 1000
}

test('objects have no property that some document gave them', () => {
  expect(Object.keys(Object.prototype)).toEqual([])
  expect('polluted' in {}).toBe(false)
})

/** What reads files, and is no parser of a text: what it reads with is in the table, or has tests of its own. */
const others = [
  'access/tokens.ts readTokens',
  'boot/certificates.ts readCertificates',
  'cli/document.ts readDocument',
  'cli/settings.ts readSettings',
  'store/spool.ts readJournal',
  'system/files.ts readBootId',
  'system/files.ts readSmallFile',
]

test('every parser there is, is in the table', () => {
  const files = readdirSync(source, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const found = files.flatMap((file) =>
    [...readFileSync(join(source, file), 'utf8').matchAll(/^export (?:async )?function ((?:parse|read)[A-Z]\w*)/gm)].map(
      ([, name]) => `${file} ${name}`,
    ),
  )
  const known = new Set([...others, ...parsers.map(({ of }) => of.split(' ').slice(0, 2).join(' '))])
  expect(found.filter((one) => !known.has(one))).toEqual([])
  expect(others.filter((one) => !found.includes(one))).toEqual([])
})

afterAll(() => expect(inputs, 'inputs in all').toBeGreaterThanOrEqual(fuzzRuns(100_000)))
