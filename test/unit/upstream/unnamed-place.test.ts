import { describe, expect, test } from 'vitest'
import { Fault } from '../../../src/model/fault.ts'
import { saidOf, sayingOf } from '../../../src/upstream/unnamed-place.ts'

const secret = 'https://files.example/download/S3cret'
const shown = 'https://hub.example/api/container/lab/tool:v1 (its image, at files.example)'
const cause = new Error(`connect to ${secret}`)

describe('what goes wrong at a place that is not named', () => {
  test.each([
    new Fault('not-found', { what: secret }),
    new Fault('upstream-unreachable', { url: secret, why: 'ECONNRESET' }, { cause }),
    new Fault('upstream-timeout', { url: secret, phase: 'headers', ms: 1 }),
    new Fault('upstream-status', { url: secret, status: 500 }),
    new Fault('upstream-refused', { url: secret, status: 403 }),
    new Fault('upstream-limited', { url: secret }),
    new Fault('upstream-invalid', { url: secret, why: 'it redirects more than 8 times' }),
    new Fault('outbound-blocked', { url: secret, why: '10.0.0.1 is a private address' }),
    new Fault('source-cut', { url: secret, received: 1 }),
    new Fault('source-changed', { url: secret, why: 'it has nothing at 7' }),
  ])('$code is said of what led there, with the same code', (fault) => {
    const said = saidOf(shown, fault) as Fault
    expect([said.code, said.message]).toEqual([fault.code, expect.stringContaining(shown)])
    expect([JSON.stringify(said), said.stack, String(said.cause)].join()).not.toContain('S3cret')
  })

  test('what is no fault of it is left as it is', () => {
    const gone = new Fault('cancelled', { what: 'a request' })
    expect([saidOf(shown, gone), saidOf(shown, cause)]).toEqual([gone, cause])
  })

  test('in the middle of a body too', async () => {
    async function* broken() {
      yield Buffer.from('abc')
      throw new Fault('source-cut', { url: secret, received: 3 })
    }
    const got: Uint8Array[] = []
    const reading = async () => {
      for await (const chunk of sayingOf(shown, broken())) got.push(chunk)
    }
    await expect(reading()).rejects.toMatchObject({ code: 'source-cut', details: { url: shown, received: 3 } })
    expect(Buffer.concat(got).toString()).toBe('abc')
  })
})
