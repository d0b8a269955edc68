import { LRUCache } from 'lru-cache'
import type { Clock } from './clock.ts'

export interface MemoryCacheOptions<V> {
  readonly maxBytes?: number
  readonly maxEntries?: number
  /** Bytes of a value; needed with `maxBytes`. */
  readonly sizeOf?: (value: V) => number
  readonly ttlMs?: number // without it for ever; 0 keeps nothing
  readonly clock?: Pick<Clock, 'now'>
}

/** Least recently used first out; bounded in bytes or in entries, or both. */
export interface MemoryCache<K extends string, V extends object> {
  get(key: K): V | undefined
  /** `ttlMs` is this entry's own. A value larger than the whole cache is not kept. */
  set(key: K, value: V, ttlMs?: number): void
  delete(key: K): boolean
  clear(): void
  readonly bytes: number
  readonly entries: number
}

export function createMemoryCache<K extends string, V extends object>(options: MemoryCacheOptions<V>): MemoryCache<K, V> {
  const { maxBytes, maxEntries = maxBytes === undefined ? 10_000 : undefined, sizeOf = () => 1, ttlMs, clock } = options
  const bounds: Partial<LRUCache.Options<K, V, unknown>> = {
    ...(maxEntries === undefined ? {} : { max: maxEntries }),
    ...(maxBytes === undefined
      ? {}
      : { maxSize: Math.max(1, maxBytes), sizeCalculation: (value: V) => Math.max(1, sizeOf(value)) }),
  }
  const perf = clock ? { perf: { now: onlyForward(clock) } } : {}
  const cache = new LRUCache<K, V>({ ...bounds, ...perf, ttl: ttlMs ?? 0, ttlResolution: 0 } as LRUCache.Options<K, V, unknown>)
  return {
    get: (key) => cache.get(key),
    set(key, value, ownTtlMs) {
      const ttl = ownTtlMs ?? ttlMs
      // To the cache below, a life of 0 has no end.
      if (ttl !== undefined && ttl <= 0) cache.delete(key)
      else cache.set(key, value, ttl === undefined ? {} : { ttl })
    },
    delete: (key) => cache.delete(key),
    clear: () => cache.clear(),
    get bytes() {
      return cache.calculatedSize
    },
    get entries() {
      return cache.size
    },
  }
}

/** What was to be kept for a minute is not kept for a day because the clock is set back by one. */
function onlyForward(clock: Pick<Clock, 'now'>): () => number {
  let last = clock.now()
  let passed = last
  return () => {
    const now = clock.now()
    passed += Math.max(0, now - last)
    last = now
    return passed
  }
}
