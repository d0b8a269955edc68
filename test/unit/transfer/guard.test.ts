import { describe, expect, test } from 'vitest'
import type { Validators } from '../../../src/model/artifact.ts'
import { createGuard, type GuardDeps } from '../../../src/transfer/guard.ts'
import type { SourceBody } from '../../../src/upstream/upstream.ts'
import { sourceAt } from './memory-house.ts'

const source = sourceAt('data.example')
const saturday = 'Sat, 01 Nov 2025 10:00:00 GMT'
const sunday = 'Sun, 02 Nov 2025 10:00:00 GMT'

function answer(status: 200 | 206, validators: Validators, validator: string | undefined = strongOf(validators)): SourceBody {
  return { status, range: { start: 0, end: undefined }, total: undefined, validator, validators, body: nothing() }
}

function strongOf({ etag, lastModified }: Validators): string | undefined {
  return etag?.startsWith('"') ? etag : lastModified
}

async function* nothing(): AsyncGenerator<Uint8Array> {}

function guardOf(more: Partial<GuardDeps> = {}) {
  const learnt: string[] = []
  const guard = createGuard({ isVouchedFor: false, validator: undefined, learnt: (one) => learnt.push(one), ...more })
  return { guard, learnt }
}

const isOther = expect.objectContaining({ code: 'source-changed' })

describe('bytes that no digest tells apart', () => {
  test('are of the version that came first, which parts are asked for by', () => {
    const { guard, learnt } = guardOf()
    expect(guard.givesParts).toBe(false)
    expect(guard.version).toBeUndefined()
    guard.check(answer(200, { etag: '"1"', lastModified: saturday }), source, 0)
    expect(guard.givesParts).toBe(true)
    expect(guard.forPart(source)).toBe('"1"')
    expect(guard.version).toEqual({ etag: '"1"', lastModified: saturday })
    guard.check(answer(206, { etag: '"1"', lastModified: saturday }), source, 100)
    expect(learnt).toEqual(['"1"'])
  })

  test.each([
    ['another ETag', { etag: '"1"' }, answer(206, { etag: '"2"' })],
    ['no ETag any more', { etag: '"1"' }, answer(206, {})],
    [
      'another ETag at the same date',
      { etag: 'W/"1"', lastModified: saturday },
      answer(206, { etag: 'W/"2"', lastModified: saturday }),
    ],
    ['another date', { lastModified: saturday }, answer(206, { lastModified: sunday })],
    ['the whole of another', { etag: '"1"' }, answer(200, { etag: '"2"' })],
    ['the whole, of no version', { lastModified: saturday }, answer(200, {})],
  ])('are not gone on with from %s', (_, first, next) => {
    const { guard } = guardOf()
    guard.check(answer(200, first), source, 0)
    expect(() => guard.check(next, source, 100)).toThrow(isOther)
  })

  test.each([
    ['a part that does not repeat its date', { lastModified: saturday }, answer(206, {})],
    ['the whole of the same, from who knows no ranges', { etag: '"1"' }, answer(200, { etag: '"1"' })],
    ['a part with the same ETag, and without its date', { etag: '"1"', lastModified: saturday }, answer(206, { etag: '"1"' })],
  ])('are gone on with from %s', (_, first, next) => {
    const { guard } = guardOf()
    guard.check(answer(200, first), source, 0)
    expect(() => guard.check(next, source, 100)).not.toThrow()
  })

  test.each([
    ['nothing', {}, undefined],
    ['a weak ETag', { etag: 'W/"1"' }, undefined],
    ['a date as young as the answer', { lastModified: saturday }, undefined],
  ])('come in one piece where %s tells their version', (_, validators, validator) => {
    const { guard, learnt } = guardOf()
    guard.check({ ...answer(200, validators), validator }, source, 0)
    expect(guard.givesParts).toBe(false)
    expect(() => guard.forPart(source)).toThrow(isOther)
    expect(() => guard.check({ ...answer(200, validators), validator }, source, 100)).toThrow(isOther)
    expect(learnt).toEqual([])
  })

  test.each(['"1"', saturday])('that an earlier run left, of %s, are gone on with by that alone', (validator) => {
    const { guard, learnt } = guardOf({ validator })
    expect(guard.givesParts).toBe(true)
    expect(guard.forPart(source)).toBe(validator)
    const same = validator === '"1"' ? { etag: validator } : { lastModified: validator }
    expect(() => guard.check(answer(206, same), source, 100)).not.toThrow()
    expect(() => guard.check(answer(200, { etag: '"2"', lastModified: sunday }), source, 100)).toThrow(isOther)
    expect(learnt).toEqual([])
  })
})

test('bytes that a digest will tell may come from anywhere', () => {
  const { guard, learnt } = guardOf({ isVouchedFor: true })
  expect(guard.givesParts).toBe(true)
  guard.check(answer(200, { etag: '"1"' }), source, 0)
  guard.check(answer(206, { etag: '"2"' }), source, 100)
  guard.check(answer(200, {}), source, 100)
  expect([guard.forPart(source), guard.version, learnt]).toEqual([undefined, undefined, []])
})
