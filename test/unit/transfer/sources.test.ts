import { describe, expect, test } from 'vitest'
import { Fault } from '../../../src/model/fault.ts'
import { createSources } from '../../../src/transfer/sources.ts'
import { sourceAt } from './memory-house.ts'

const cut = new Fault('source-cut', { url: 'http://a/', received: 1 })
const a = sourceAt('a', 1)
const b = sourceAt('b', 2)

describe('sources of a fill', () => {
  test('the best priority is asked first, the one that failed later', () => {
    const sources = createSources('x', [b, a])
    expect(sources.pick({ range: false })).toBe(a)
    sources.failed(a, cut)
    expect(sources.pick({ range: false })).toBe(b)
  })

  test('before any bytes two tries are enough; the last fault is told as it is', () => {
    const sources = createSources('x', [a])
    sources.failed(a, cut)
    expect(() => sources.failed(a, cut)).toThrow(cut)
  })

  test('once bytes came there is more patience, and each success renews it', () => {
    const sources = createSources('x', [a])
    sources.worked(a)
    const waits = Array.from({ length: 5 }, () => sources.failed(a, cut))
    expect(waits).toEqual([0, 200, 1000, 2000, 5000])
    sources.worked(a)
    expect(sources.failed(a, cut)).toBe(0)
  })

  test('several that failed are all named', () => {
    const sources = createSources('x', [a, b])
    sources.failed(a, new Fault('not-found', { what: 'x at a' }))
    try {
      sources.failed(b, new Fault('upstream-refused', { url: 'http://b/', status: 403 }))
      expect.unreachable()
    } catch (error) {
      expect(error).toMatchObject({
        code: 'all-sources-failed',
        details: { tried: [expect.stringContaining('x at a'), expect.stringContaining('http://b/')] },
      })
    }
  })

  test('of mirrors and one upstream the clear word of the upstream counts', () => {
    const mirror = { ...sourceAt('mirror', 1), place: 'mirror' as const }
    const fault = new Fault('not-found', { what: 'x at b' })
    const sources = createSources('x', [mirror, b])
    sources.failed(mirror, new Fault('upstream-refused', { url: 'http://mirror/', status: 403 }))
    expect(() => sources.failed(b, fault)).toThrow(fault)
  })

  test('of an upstream with two addresses for the same the word counts where it is the same at both', () => {
    const gone = new Fault('not-found', { what: 'x at a' })
    const sources = createSources('x', [a, b])
    sources.failed(a, gone)
    expect(() => sources.failed(b, new Fault('not-found', { what: 'x at b' }))).toThrow(gone)
  })

  test('whoever has done nothing wrong is asked at once, whatever pause another wants', () => {
    const sources = createSources('x', [a, b])
    sources.worked(a)
    expect(sources.failed(a, new Fault('upstream-limited', { url: 'http://a/', retryAfterMs: 60_000 }))).toBe(0)
    expect(sources.pick({ range: false })).toBe(b)
    expect(sources.failed(b, new Fault('upstream-limited', { url: 'http://b/', retryAfterMs: 3_000 }))).toBe(3_000)
  })

  test('a limit met midway is waited out as long as the upstream says, within reason', () => {
    const sources = createSources('x', [a])
    sources.worked(a)
    expect(sources.failed(a, new Fault('upstream-limited', { url: 'http://a/', retryAfterMs: 7000 }))).toBe(7000)
    expect(sources.failed(a, new Fault('upstream-limited', { url: 'http://a/', retryAfterMs: 7_000_000 }))).toBe(30_000)
  })

  test('what no other source can mend is thrown at once', () => {
    const full = new Fault('disk-full', { path: '/data' })
    expect(() => createSources('x', [a, b]).failed(a, full)).toThrow(full)
  })

  test('one that ignores ranges is not asked for parts', () => {
    const sources = createSources('x', [a, b])
    sources.isRangeless(a)
    expect(sources.pick({ range: true })).toBe(b)
    sources.isRangeless(b)
    expect(sources.canRange).toBe(false)
    expect(sources.pick({ range: true })).toBeUndefined()
    expect(sources.pick({ range: false })).toBe(a)
  })
})
