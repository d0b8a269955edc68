import { beforeEach, describe, expect, test } from 'vitest'
import { type AnswersDeps, createAnswers, type Heard, type Policy } from '../../../src/catalog/answers.ts'
import { createIdentities } from '../../../src/catalog/identities.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { Ask } from '../../../src/model/principal.ts'
import type { FileReference } from '../../../src/model/reference.ts'
import { createMemoryCache } from '../../../src/system/memory-cache.ts'
import { faultOf } from '../../kit/bytes.ts'
import { createHandClock, type HandClock } from '../../kit/hand-clock.ts'
import { asking } from '../../kit/questions.ts'
import { createRecordedLog } from '../../kit/recorded-log.ts'
import { data } from './catalog-house.ts'
import { fileNamed } from './scripted-files.ts'

interface Facts {
  readonly checkedAt: number
  readonly says: string
}

const second = 1000
const minute = 60 * second
const policy: Policy = { freshForMs: 10 * minute, staleIfErrorMs: 60 * minute, isOffline: false }
const x = fileNamed('x', data)
const down = new Fault('upstream-status', { url: 'https://files.example', status: 503 })

describe('an answer', () => {
  let clock: HandClock
  let known: Facts | undefined
  let asked: (Facts | undefined)[]
  let asks: Ask[]
  let reply: () => Promise<Heard<Facts, string> | undefined>
  let answer: ReturnType<typeof createAnswers<FileReference, Facts, string>>

  beforeEach(() => {
    clock = createHandClock()
    known = undefined
    asked = []
    asks = []
    reply = async () => heard('a')
    answer = build()
  })

  function build(more: Partial<AnswersDeps> = {}) {
    const deps: AnswersDeps = {
      policyOf: () => policy,
      clock,
      log: createRecordedLog(),
      answerDeadlineMs: 2 * second,
      recent: createMemoryCache<string, Fault>({ maxEntries: 10, ttlMs: 10 * second, clock }),
      identities: createIdentities(),
      ...more,
    }
    return createAnswers<FileReference, Facts, string>(deps, {
      known: async () => known,
      async ask(_, before, ask) {
        asked.push(before)
        asks.push(ask)
        const told = await reply()
        if (told) known = told.facts
        return told
      },
      forget: async () => {
        known = undefined
      },
    })
  }

  const heard = (says: string, kind: 'miss' | 'revalidated' = 'miss'): Heard<Facts, string> => ({
    kind,
    facts: { says, checkedAt: clock.now() },
  })
  const fails = (fault: Fault) => async () => {
    throw fault
  }
  const kindOf = async (more: Partial<Ask> = {}) => (await answer(x, asking(more))).outcome.kind

  describe('of an upstream that tells those who ask apart', () => {
    const login = (username: string): Pick<Ask, 'credentials'> => ({
      credentials: { kind: 'password', username, password: 'x', upstreams: [x.upstream] },
    })
    const [ada, bob] = [login('ada'), login('bob')]
    const asker = () => (asks.at(-1)!.credentials as { username: string }).username
    const refusals: readonly Fault[] = [
      new Fault('upstream-limited', { url: 'https://files.example', retryAfterMs: minute }),
      new Fault('upstream-refused', { url: 'https://files.example', status: 403 }),
    ]
    beforeEach(() => {
      answer = build({ policyOf: () => ({ ...policy, rights: 'caller' }) })
    })

    test.each(refusals)('is of who asked, and not of another, afterwards: $code', async (refusal) => {
      reply = async () => (asker() === 'ada' ? fails(refusal)() : heard('a'))
      expect(await faultOf(answer(x, asking(ada)))).toBe(refusal.code)
      expect(await kindOf(bob)).toBe('miss')
    })

    test.each(refusals)('nor at the same time: $code', async (refusal) => {
      const gate = Promise.withResolvers<void>()
      reply = async () => {
        const isAdas = asker() === 'ada'
        await gate.promise
        return isAdas ? fails(refusal)() : heard('a')
      }
      const [adas, bobs] = [faultOf(answer(x, asking(ada))), kindOf(bob)]
      gate.resolve()
      expect(await Promise.all([adas, bobs])).toEqual([refusal.code, 'miss'])
    })

    test('is asked for once by all who show the same', async () => {
      expect(await Promise.all([kindOf(ada), kindOf(ada)])).toEqual(['miss', 'collapsed'])
    })
  })

  test('brings along what is not remembered, for all who asked at once', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    reply = async () => {
      await promise
      return { ...heard('a'), fresh: 'the document' }
    }
    const both = [answer(x, asking()), answer(x, asking())]
    resolve()
    expect((await Promise.all(both)).map(({ fresh, outcome }) => [fresh, outcome.kind])).toEqual([
      ['the document', 'miss'],
      ['the document', 'collapsed'],
    ])
    expect(await answer(x, asking())).not.toHaveProperty('fresh')
  })

  test('is nobody’s own: whoever asked may leave, and others have it', async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    reply = async () => {
      await promise
      return heard('a')
    }
    const control = new AbortController()
    const mine = answer(x, asking({ signal: control.signal }))
    const theirs = answer(x, asking())
    control.abort(new Error('gone'))
    await expect(mine).rejects.toThrow('gone')
    expect(asks[0]?.signal.aborted).toBe(false)
    resolve()
    expect((await theirs).facts.says).toBe('a')
  })

  test('of none is remembered, and what was known is forgotten', async () => {
    await answer(x, asking())
    await clock.advance(policy.freshForMs)
    reply = async () => undefined
    expect(await faultOf(answer(x, asking()))).toBe('not-found')
    expect(known).toBeUndefined()
    expect(await faultOf(answer(x, asking()))).toBe('not-found')
    expect(asked).toHaveLength(2)
    reply = async () => heard('b')
    expect(await kindOf({ revalidate: true })).toBe('miss')
  })

  test('of a limit is taken at its word, but for so long only', async () => {
    for (const [retryAfterMs, pause] of [
      [undefined, 5 * second],
      [30 * second, 30 * second],
      [24 * 60 * minute, 5 * minute],
    ] as const) {
      asked.length = 0
      answer = build()
      reply = fails(new Fault('upstream-limited', { url: 'x', ...(retryAfterMs && { retryAfterMs }) }))
      expect(await faultOf(answer(x, asking()))).toBe('upstream-limited')
      await clock.advance(pause - 1)
      expect(await faultOf(answer(x, asking()))).toBe('upstream-limited')
      expect([retryAfterMs, asked.length]).toEqual([retryAfterMs, 1])
      await clock.advance(2)
      await faultOf(answer(x, asking()))
      expect([retryAfterMs, asked.length]).toEqual([retryAfterMs, 2])
    }
  })

  test.each([
    ['upstream-refused', new Fault('upstream-refused', { url: 'x', status: 403 })],
    ['not-found', new Fault('not-found', { what: 'x' })],
    ['denied', new Fault('denied', { what: 'x', by: 'y' })],
  ])('that is a clear word (%s) is told, whatever was known', async (code, fault) => {
    await answer(x, asking())
    await clock.advance(policy.freshForMs)
    reply = fails(fault)
    expect(await faultOf(answer(x, asking()))).toBe(code)
  })

  test('that is late is not waited for where something is known, and kept for the next', async () => {
    await answer(x, asking())
    await clock.advance(policy.freshForMs + second)
    const { promise, resolve } = Promise.withResolvers<void>()
    reply = async () => {
      await promise
      return heard('b')
    }
    const late = answer(x, asking())
    await clock.asleep()
    await clock.advance(2 * second)
    expect(await late).toMatchObject({ facts: { says: 'a' }, outcome: { kind: 'stale', why: 'the upstream is slow to answer' } })
    resolve()
    await new Promise((go) => setImmediate(go))
    expect(await answer(x, asking())).toMatchObject({ facts: { says: 'b' }, outcome: { kind: 'hit' } })
    expect(asked).toHaveLength(2)
  })

  test('is not given once it is too old to be', async () => {
    await answer(x, asking())
    reply = fails(down)
    await clock.advance(policy.freshForMs + policy.staleIfErrorMs - 1)
    expect(await kindOf()).toBe('stale')
    await clock.advance(10 * second)
    expect(await faultOf(answer(x, asking()))).toBe('upstream-status')
  })

  test('is never asked for where that is forbidden, not even by a client that insists', async () => {
    known = { says: 'a', checkedAt: 0 }
    answer = build({ policyOf: () => ({ ...policy, isOffline: true }) })
    expect(await kindOf({ revalidate: true })).toBe('stale')
    known = undefined
    expect(await faultOf(answer(x, asking({ revalidate: true })))).toBe('not-found')
    expect(asked).toEqual([])
  })

  test('tells the upstream what was known of it', async () => {
    await answer(x, asking())
    await clock.advance(policy.freshForMs)
    reply = async () => heard('a', 'revalidated')
    expect(await kindOf()).toBe('revalidated')
    expect(asked.map((facts) => facts?.says)).toEqual([undefined, 'a'])
    expect(asks.map(({ principal }) => principal.kind)).toEqual(['operator', 'operator'])
  })
})
