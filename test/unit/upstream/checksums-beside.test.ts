import { beforeEach, describe, expect, test } from 'vitest'
import { Fault } from '../../../src/model/fault.ts'
import type { HttpResponse } from '../../../src/system/http.ts'
import { type ChecksumsBeside, createChecksumsBeside, isAboutOthers } from '../../../src/upstream/checksums-beside.ts'
import type { WebSession } from '../../../src/upstream/web-session.ts'
import { faultOf } from '../../kit/bytes.ts'
import { createHandClock, type HandClock } from '../../kit/hand-clock.ts'

const minute = 60_000
const [a, b] = ['a'.repeat(64), 'b'.repeat(64)] as const
const signal = new AbortController().signal
const fileAt = (path: string) => new URL(`https://data.example/pub/${path}`)

describe('checksums beside files', () => {
  let clock: HandClock
  let beside: ChecksumsBeside
  let asked: string[]
  let files: Map<string, string>
  let fails: Fault | undefined
  let gate: Promise<void>

  beforeEach(() => {
    clock = createHandClock()
    asked = []
    files = new Map()
    fails = undefined
    gate = Promise.resolve()
    beside = createChecksumsBeside({ ask } as Pick<WebSession, 'ask'> as WebSession, clock)
  })

  /** Each text is its own ETag. */
  async function ask(_: string, url: URL, signal: AbortSignal, headers: Readonly<Record<string, string>> = {}) {
    const path = url.pathname.replace('/pub/', '')
    const unless = headers['if-none-match']
    asked.push(unless === undefined ? path : `${path}?`)
    await gate
    signal.throwIfAborted()
    if (fails) throw fails
    const text = files.get(path)
    const etag = text === undefined ? undefined : `"${text.length}${text.slice(0, 8)}"`
    return answerOf(text === undefined ? 404 : etag === unless ? 304 : 200, text ?? '', etag)
  }

  const find = async (path: string, isNew = true) => (await beside.find(fileAt(path), isNew, signal))?.digest
  const lists = ['SHA256SUMS', 'SHA256SUMS.txt', 'sha256sum.txt']

  test('are looked for beside the file first, then in its folder, and that only once', async () => {
    expect(await find('d/x')).toBeUndefined()
    expect(asked).toEqual(['d/x.sha256', 'd/x.sha512', ...lists.map((list) => `d/${list}`)])
    expect(await find('d/y')).toBeUndefined()
    expect(asked.slice(5)).toEqual(['d/y.sha256', 'd/y.sha512'])
    await find('other/x')
    expect(asked.slice(7)).toEqual(['other/x.sha256', 'other/x.sha512', ...lists.map((list) => `other/${list}`)])
  })

  test('one of the file itself is taken before the list of its folder', async () => {
    files.set('x.sha256', a)
    files.set('SHA256SUMS', `${b}  x\n`)
    expect(await beside.find(fileAt('x'), true, signal)).toEqual({
      digest: `sha256:${a}`,
      from: 'https://data.example/pub/x.sha256',
    })
    expect(asked).toEqual(['x.sha256'])
  })

  test('of names that are escaped in URLs are found by what they mean', async () => {
    files.set('SHA256SUMS', `${a}  my file.sif\n`)
    expect(await find('my%20file.sif')).toBe(`sha256:${a}`)
  })

  test('an md5 is no word to go by', async () => {
    files.set('SHA256SUMS', `${'c'.repeat(32)}  x\n`)
    expect(await find('x')).toBeUndefined()
  })

  test('are remembered for some minutes', async () => {
    files.set('SHA256SUMS', `${a}  x\n${b}  y\n`)
    await find('x')
    const before = asked.length
    await clock.advance(4 * minute)
    expect(await find('y')).toBe(`sha256:${b}`)
    expect(asked.slice(before)).toEqual(['y.sha256', 'y.sha512'])
    await clock.advance(2 * minute)
    await find('z')
    expect(asked).toContain('SHA256SUMS.txt')
    expect(asked.filter((one) => one === 'SHA256SUMS')).toHaveLength(2)
  })

  test('are confirmed at once for a file that was known before', async () => {
    files.set('SHA256SUMS', `${a}  x\n`)
    await find('x')
    expect(await find('x', false)).toBe(`sha256:${a}`)
    files.set('SHA256SUMS', `${b}  x\n# changed`)
    expect(await find('x', false)).toBe(`sha256:${b}`)
    expect(asked.filter((one) => one.startsWith('SHA256SUMS'))).toEqual(['SHA256SUMS', 'SHA256SUMS?', 'SHA256SUMS?'])
  })

  test('a folder whose files have none of their own is not asked for them any more, for some minutes', async () => {
    for (let at = 0; at < 20; at++) await find(`${at}`)
    expect(asked.filter((one) => one.endsWith('.sha256'))).toHaveLength(4)
    await clock.advance(6 * minute)
    files.set('20.sha256', a)
    expect(await find('20')).toBe(`sha256:${a}`)
  })

  test('one file that has one is enough to ask for that of each', async () => {
    for (let at = 0; at < 3; at++) await find(`${at}`)
    files.set('3.sha256', a)
    await find('3')
    for (let at = 4; at < 20; at++) await find(`${at}`)
    files.set('20.sha256', b)
    expect(await find('20')).toBe(`sha256:${b}`)
  })

  test('many files at once ask for few', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    gate = promise
    const all = Promise.all(Array.from({ length: 100 }, (_, at) => find(`${at}`)))
    resolve()
    await all
    expect(asked.length).toBeLessThan(30)
    for (const list of lists) expect(asked.filter((one) => one === list)).toHaveLength(1)
  })

  test('a failure is told, and its folder left alone for a moment', async () => {
    fails = new Fault('upstream-status', { url: 'https://data.example', status: 503 })
    expect(await faultOf(find('x'))).toBe('upstream-status')
    expect(await faultOf(find('y'))).toBe('upstream-status')
    expect(asked).toEqual(['x.sha256'])
    fails = undefined
    files.set('y.sha256', a)
    await clock.advance(minute)
    expect(await find('y')).toBe(`sha256:${a}`)
  })

  test('what cannot be used is as good as none', async () => {
    fails = new Fault('too-large', { what: 'x', limit: 1 })
    expect(await find('x')).toBeUndefined()
  })

  test.each([
    '',
    'SHA256SUMS',
    'sha512sums.txt',
    'MD5SUMS',
    'x.sha256',
    'x.SHA512',
    'x.md5',
    'x.asc',
    'x.sig',
    'x.meta4',
    'x.metalink',
  ])('none is looked for of %j', async (name) => {
    expect(isAboutOthers(name)).toBe(true)
    expect(await find(name)).toBeUndefined()
    expect(asked).toEqual([])
  })
  test.each(['x', 'x.sif', 'sha256', 'my-SHA256SUMS', 'x.sig.sif'])('%j is a file as any', (name) =>
    expect(isAboutOthers(name)).toBe(false),
  )
})

function answerOf(status: number, text: string, etag: string | undefined): HttpResponse {
  return {
    status,
    url: fileAt('x'),
    hops: 0,
    header: (name) => (name === 'etag' ? etag : undefined),
    headers: () => [],
    body: (async function* () {})(),
    bytes: async () => Buffer.from(text),
    discard: async () => {},
    cancel: () => {},
  }
}
