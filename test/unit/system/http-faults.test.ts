import { errors } from 'undici'
import { describe, expect, test } from 'vitest'
import { Fault } from '../../../src/model/fault.ts'
import type { DialSettings } from '../../../src/system/dispatchers.ts'
import { bodyFault, requestFault } from '../../../src/system/http-faults.ts'

const url = new URL('https://ada:secret@host.example/path?sig=1')
const settings: DialSettings = { connectTimeoutMs: 1, headersTimeoutMs: 2, idleTimeoutMs: 3, proxies: { no: [] }, ca: [] }
const withCode = (code: string, cause?: unknown) => Object.assign(new Error('it failed', { cause }), { code })

describe('before headers', () => {
  test.each([
    [new errors.ConnectTimeoutError(), { phase: 'connect', ms: 1 }],
    [new errors.HeadersTimeoutError(), { phase: 'headers', ms: 2 }],
    [new errors.BodyTimeoutError(), { phase: 'body', ms: 3 }],
  ])('%s is a timeout', (error, details) => {
    expect(requestFault(url, error, settings)).toMatchObject({ code: 'upstream-timeout', details, cause: error })
  })

  test.each([
    [withCode('ECONNREFUSED'), 'ECONNREFUSED'],
    [new Error('wrapped', { cause: withCode('CERT_HAS_EXPIRED') }), 'CERT_HAS_EXPIRED'],
    [new AggregateError([withCode('EHOSTUNREACH'), withCode('ENETUNREACH')]), 'ENETUNREACH'],
    [new Error('no code at all'), 'no code at all'],
    ['a text', 'a text'],
  ])('%s is unreachable, and why', (error, why) => {
    const fault = requestFault(url, error, settings)
    expect(fault).toMatchObject({ code: 'upstream-unreachable', details: { url: 'https://host.example/path', why } })
  })

  test('a refusal of our own stays what it is', () => {
    const own = new Fault('outbound-blocked', { url: 'x', why: 'y' })
    expect(requestFault(url, new Error('connect', { cause: own }), settings)).toBe(own)
    expect(requestFault(url, new AggregateError([new Error('x'), own]), settings)).toBe(own)
  })

  test('causes that go in a circle end', () => {
    const error = withCode('EX')
    error.cause = error
    expect(requestFault(url, error, settings)).toMatchObject({ details: { why: 'EX' } })
  })
})

test('in a body it says how much came', () => {
  expect(bodyFault(url, withCode('UND_ERR_SOCKET'), 10, 20, settings)).toMatchObject({
    code: 'source-cut',
    details: { url: 'https://host.example/path', received: 10, expected: 20 },
  })
  expect(bodyFault(url, new errors.BodyTimeoutError(), 10, undefined, settings).code).toBe('upstream-timeout')
})
