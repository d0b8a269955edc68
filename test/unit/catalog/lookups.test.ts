import { describe, expect, test } from 'vitest'
import type { Policy } from '../../../src/catalog/answers.ts'
import { createIdentities } from '../../../src/catalog/identities.ts'
import { createLookups, type KnownLookup } from '../../../src/catalog/lookups.ts'
import { Fault, type FaultCode, isFault } from '../../../src/model/fault.ts'
import type { UpstreamId } from '../../../src/model/reference.ts'
import { createMemoryCache } from '../../../src/system/memory-cache.ts'
import type { Found } from '../../../src/upstream/upstream.ts'
import { createHandClock } from '../../kit/hand-clock.ts'
import { asking } from '../../kit/questions.ts'

const upstream = 'lab' as UpstreamId
const found = (text: string): Found => ({ body: Buffer.from(text), mediaType: 'text/plain' })
const down = () => new Fault('upstream-unreachable', { url: 'http://lab.example', why: 'ECONNREFUSED' })
const day = 24 * 3_600_000

function bench(policy: Partial<Policy> = {}) {
  const clock = createHandClock()
  const asked: string[] = []
  let answer: () => Promise<Found | undefined> = async () => found('one')
  const lookup = createLookups({
    lookupsOf: (id) =>
      id === upstream
        ? {
            lookup: async (question) => {
              asked.push(question)
              return answer()
            },
          }
        : undefined,
    policyOf: () => ({ freshForMs: 0, staleIfErrorMs: day, isOffline: false, ...policy }),
    clock,
    cache: createMemoryCache<string, KnownLookup>({ maxEntries: 100 }),
    identities: createIdentities(),
  })
  return {
    clock,
    asked,
    answers: (next: () => Promise<Found | undefined>) => {
      answer = next
    },
    look: async (about: 'library' | 'keys' = 'library', more = {}) => {
      const one = await lookup({ upstream, about }, 'v1/x', asking(more))
      return [one.found && Buffer.from(one.found.body).toString(), one.outcome.kind]
    },
    lookup,
  }
}

async function codeOf(work: Promise<unknown>): Promise<FaultCode | undefined> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  return isFault(error) ? error.code : undefined
}

describe('a document that is passed on', () => {
  test('is asked for once in a while, longer for keys, and shorter where there is none', async () => {
    const b = bench()
    expect(await b.look()).toEqual(['one', 'miss'])
    expect(await b.look()).toEqual(['one', 'hit'])
    expect(await b.look('keys')).toEqual(['one', 'miss'])
    await b.clock.advance(60_000)
    b.answers(async () => undefined)
    expect(await b.look('keys')).toEqual(['one', 'hit'])
    expect(await b.look()).toEqual([undefined, 'miss'])
    await b.clock.advance(9_999)
    expect(await b.look()).toEqual([undefined, 'hit'])
    await b.clock.advance(1)
    expect(await b.look()).toEqual([undefined, 'miss'])
    expect(await b.look('library', { revalidate: true })).toEqual([undefined, 'miss'])
  })

  test('is given stale while it cannot be asked for, as long as a name is', async () => {
    const b = bench()
    await b.look()
    b.answers(async () => Promise.reject(down()))
    await b.clock.advance(60_000)
    expect(await b.look()).toEqual(['one', 'stale'])
    await b.clock.advance(day)
    expect(await codeOf(b.look())).toBe('upstream-unreachable')
  })

  test('is one question for all who ask at once, which none of them can end', async () => {
    const b = bench()
    const slow = Promise.withResolvers<Found>()
    b.answers(() => slow.promise)
    const control = new AbortController()
    const leaving = b.look('library', { signal: control.signal })
    const staying = b.look()
    control.abort(new Fault('cancelled', { what: 'it' }))
    expect(await codeOf(leaving)).toBe('cancelled')
    slow.resolve(found('late'))
    expect(await staying).toEqual(['late', 'collapsed'])
    expect(b.asked).toHaveLength(1)
  })

  test('is not waited for longer than clients of keys do, and kept when it comes', async () => {
    const b = bench()
    const slow = Promise.withResolvers<Found>()
    b.answers(() => slow.promise)
    const late = codeOf(b.look('keys'))
    await b.clock.advance(4_000)
    expect(await late).toBe('upstream-timeout')
    slow.resolve(found('late'))
    await new Promise((go) => setImmediate(go))
    expect(await b.look('keys')).toEqual(['late', 'hit'])
  })

  test('is what is known where its upstream is never asked', async () => {
    const b = bench({ isOffline: true })
    expect(await codeOf(b.look())).toBe('upstream-unreachable')
    expect(b.asked).toEqual([])
  })

  test('is of an upstream that gives any', async () => {
    const b = bench()
    expect(await codeOf(b.lookup({ upstream: 'other' as UpstreamId, about: 'keys' }, 'x', asking()))).toBe('upstream-unknown')
  })
})
