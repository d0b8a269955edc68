import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseRateLimit } from '../../../src/formats/rate-limit.ts'

type Fields = Readonly<Record<string, string | readonly string[]>>

const read = (fields: Fields) => parseRateLimit((name) => [fields[name] ?? []].flat())

/** What is not said is undefined. */
const rate = (remaining: number, limit?: number, windowMs?: number, resetMs?: number) => ({ limit, remaining, windowMs, resetMs })

describe('what is left', () => {
  test.each<[string, Fields, ReturnType<typeof rate>]>([
    [
      'Docker Hub',
      { 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '76;w=21600', 'docker-ratelimit-source': '192.0.2.7' },
      rate(76, 100, 21_600_000),
    ],
    ['Docker Hub, when nothing is left', { 'ratelimit-remaining': '0;w=21600' }, rate(0, undefined, 21_600_000)],
    [
      'the draft in three fields',
      { 'ratelimit-limit': '10, 10;w=1, 50;w=60', 'ratelimit-remaining': '9', 'ratelimit-reset': '50' },
      rate(9, 10, 1_000, 50_000),
    ],
    ['the draft in one field', { ratelimit: 'limit=100, remaining=50, reset=5' }, rate(50, 100, undefined, 5_000)],
    ['the draft in one field, in several lines', { ratelimit: ['remaining=50', 'limit=100'] }, rate(50, 100)],
    [
      'the draft by policy',
      { ratelimit: '"default";r=50;t=30', 'ratelimit-policy': '"default";q=100;w=60' },
      rate(50, 100, 60_000, 30_000),
    ],
    [
      'the least of several policies',
      { ratelimit: '"day";r=500, "a,b;c";r=3', 'ratelimit-policy': ['"day";q=1000;w=86400', '"a,b;c";q=10;w=60;pk=:Zm9v:'] },
      rate(3, 10, 60_000),
    ],
    ['a policy that is told nowhere', { ratelimit: '"x";r=4' }, rate(4)],
    ['a reset that is a time of day', { 'ratelimit-remaining': '7', 'ratelimit-reset': '1790000000' }, rate(7)],
  ])('is read as %s has it', (_, fields, want) => expect(read(fields)).toEqual(want))

  test.each<[string, Fields]>([
    ['where nothing is said', {}],
    ['where only the limit is', { 'ratelimit-limit': '100;w=21600' }],
    ['where it is no number', { 'ratelimit-remaining': 'many' }],
    ['where it is negative', { 'ratelimit-remaining': '-1;w=60' }],
    ['where it is too long to be one', { 'ratelimit-remaining': '9'.repeat(40) }],
    ['where it is empty', { 'ratelimit-remaining': '', ratelimit: ' , ;' }],
    ['where a policy says nothing of it', { ratelimit: '"default";t=30' }],
  ])('is not known %s', (_, fields) => expect(read(fields)).toBeUndefined())

  test('whatever stands there, what is read are numbers', () => {
    const line = fc.oneof(fc.string(), fc.stringMatching(/^["=;,a-z0-9 ]{0,80}$/))
    const fields = fc.record({
      ratelimit: line,
      'ratelimit-policy': line,
      'ratelimit-limit': line,
      'ratelimit-remaining': fc.oneof(line, fc.constant('5')),
    })
    fc.assert(
      fc.property(fields, (given) => {
        const { remaining = 0, limit = 0, windowMs = 0, resetMs = 0 } = read(given) ?? {}
        return [remaining, limit, windowMs, resetMs].every((value) => Number.isSafeInteger(value) && value >= 0)
      }),
    )
  })
})
