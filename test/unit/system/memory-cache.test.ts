import { describe, expect, test } from 'vitest'
import { createMemoryCache } from '../../../src/system/memory-cache.ts'
import { createHandClock } from '../../kit/hand-clock.ts'

const of = (size: number) => ({ size })
const sizeOf = ({ size }: { size: number }) => size

describe('a memory cache', () => {
  test('drops what was used longest ago when its bytes are full', () => {
    const cache = createMemoryCache<string, { size: number }>({ maxBytes: 100, sizeOf })
    cache.set('a', of(40))
    cache.set('b', of(40))
    cache.get('a')
    cache.set('c', of(40))
    expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([of(40), undefined, of(40)])
    expect([cache.bytes, cache.entries]).toEqual([80, 2])
  })

  test('does not keep what is larger than all of it, nor the value before it', () => {
    const cache = createMemoryCache<string, { size: number }>({ maxBytes: 100, sizeOf })
    cache.set('a', of(40))
    cache.set('a', of(101))
    expect([cache.get('a'), cache.bytes]).toEqual([undefined, 0])
  })

  test('counts empty values, so that there is an end to them', () => {
    const cache = createMemoryCache<string, { size: number }>({ maxBytes: 10, sizeOf })
    for (let at = 0; at < 100; at++) cache.set(`key ${at}`, of(0))
    expect(cache.entries).toBe(10)
  })

  test('holds so many entries and no more', () => {
    const cache = createMemoryCache<string, object>({ maxEntries: 3 })
    for (const key of ['a', 'b', 'c', 'd']) cache.set(key, {})
    expect([cache.get('a'), cache.entries]).toEqual([undefined, 3])
  })

  test('forgets by the clock it was given', async () => {
    const clock = createHandClock()
    const cache = createMemoryCache<string, object>({ ttlMs: 1_000, clock })
    cache.set('a', {})
    cache.set('longer', {}, 5_000)
    await clock.advance(1_000)
    expect(cache.get('a')).toBeDefined()
    await clock.advance(1)
    expect(cache.get('a')).toBeUndefined()
    expect(cache.get('longer')).toBeDefined()
    await clock.advance(4_000)
    expect(cache.get('longer')).toBeUndefined()
  })

  test('a clock that is set back by a day does not have it keep anything for a day', () => {
    let now = 1e12
    const cache = createMemoryCache<string, object>({ ttlMs: 1_000, clock: { now: () => now } })
    cache.set('a', {})
    now -= 86_400_000
    expect(cache.get('a')).toBeDefined()
    now += 1_001
    expect(cache.get('a')).toBeUndefined()
  })

  test('without a life span keeps for ever', async () => {
    const clock = createHandClock()
    const cache = createMemoryCache<string, object>({ clock })
    cache.set('a', {})
    await clock.advance(1e12)
    expect(cache.get('a')).toBeDefined()
  })

  test('a life span of nothing was taken for one without an end', () => {
    const cache = createMemoryCache<string, object>({ ttlMs: 0 })
    cache.set('a', {})
    expect(cache.get('a')).toBeUndefined()
    const other = createMemoryCache<string, { old: boolean }>({ ttlMs: 1_000 })
    other.set('a', { old: true })
    other.set('a', { old: false }, 0)
    expect(other.get('a')).toBeUndefined()
  })

  test('deletes and clears', () => {
    const cache = createMemoryCache<string, { size: number }>({ maxBytes: 100, sizeOf })
    cache.set('a', of(1))
    cache.set('b', of(1))
    expect([cache.delete('a'), cache.delete('a'), cache.get('a')]).toEqual([true, false, undefined])
    cache.clear()
    expect([cache.get('b'), cache.bytes]).toEqual([undefined, 0])
  })
})
