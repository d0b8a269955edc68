import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Fault } from '../../../src/model/fault.ts'
import { createLogger } from '../../../src/system/log.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

let folder: TempFolder
beforeEach(async () => {
  folder = await tempFolder()
})
afterEach(() => folder[Symbol.asyncDispose]())

const path = () => join(folder.path, 'log')
const text = () => readFile(path(), 'utf8')
const lines = async () =>
  (await text())
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)

test('an event is one line of JSON with its fields', async () => {
  const log = createLogger({ level: 'info', fd: path() })
  log.info('fill.start', { digest: 'sha256:a', size: 5, requestId: 'r1' })
  log.flush()
  const [line] = await lines()
  expect(line).toMatchObject({ level: 'info', event: 'fill.start', digest: 'sha256:a', size: 5, requestId: 'r1' })
  expect(Math.abs(Date.parse(String(line!.time)) - Date.now())).toBeLessThan(10_000)
})

test('what is below the level is not written', async () => {
  const log = createLogger({ level: 'warn', fd: path() })
  log.debug('a')
  log.info('b')
  log.warn('c')
  log.flush()
  expect((await lines()).map(({ event }) => event)).toEqual(['c'])
})

test('an error is written at once, others soon', async () => {
  const log = createLogger({ level: 'info', fd: path() })
  log.info('later')
  expect(readFileSync(path(), 'utf8')).toBe('')
  log.error('now')
  expect((await lines()).map(({ event }) => event)).toEqual(['later', 'now'])
})

test('secrets stay out, however deep they are and whatever they hide in', async () => {
  const log = createLogger({ level: 'info', fd: path() })
  log.info('request', {
    headers: { authorization: 'Bearer S3CRET', cookie: 'S3CRET' },
    url: new URL('https://ada:S3CRET@h/x?sig=S3CRET'),
    text: 'GET https://h/y?token=S3CRET',
    list: [{ password: 'S3CRET' }, 'Basic S3CRETS3CRET'],
    error: new Error('https://u:S3CRET@h/ failed', { cause: new Error('Bearer S3CRETS3CRET') }),
    fault: new Fault(
      'internal',
      { what: 'https://h/?S3CRET' },
      { cause: Object.assign(new Error('x?'), { code: 'ECONNRESET' }) },
    ),
  })
  log.flush()
  expect(await text()).not.toContain('S3CRET')
  const [line] = await lines()
  expect(line).toMatchObject({ url: 'https://h/x', fault: { code: 'internal', cause: 'ECONNRESET: x?' } })
  expect(line!.error).toMatchObject({ stack: expect.stringContaining('log.test.ts') })
})

test('a newline in a field does not make a second line', async () => {
  const log = createLogger({ level: 'info', fd: path() })
  log.info('request', { path: 'a\n{"level":"error"}' })
  log.flush()
  expect(await lines()).toHaveLength(1)
})
