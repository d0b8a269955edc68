import type { OwnedCatalog } from '../catalog/create-catalog.ts'
import { createKnowledge, type Knowledge } from '../catalog/knowledge.ts'
import type { Config } from '../config/config.ts'
import { createKeyvRecords } from '../records/keyv-records.ts'
import { acquireStoreLock, networkFileSystem } from '../records/lock.ts'
import type { Records } from '../records/records.ts'
import type { Sidecars } from '../store/blob-store.ts'
import { createDiskStore, type Space } from '../store/disk-store.ts'
import { createHotStore, type HotStore } from '../store/hot-store.ts'
import { startScrub } from '../store/scrub.ts'
import { createSidecars } from '../store/sidecars.ts'
import type { Clock } from '../system/clock.ts'
import { readBootId } from '../system/files.ts'
import { createHasher, type Hasher } from '../system/hasher.ts'
import type { Logger } from '../system/log.ts'
import { createMetrics, type Metrics } from '../system/metrics.ts'

/** What is there once, whatever becomes of the settings: the store, what is known of it, and what is counted. */
export interface Ground {
  readonly log: Logger
  readonly clock: Clock // what time it is
  readonly steady: Clock // how long something lasts
  readonly version: string
  readonly metrics: Metrics
  readonly hasher: Hasher
  readonly records: Records
  readonly store: HotStore
  readonly sidecars: Sidecars
  readonly knowledge: Knowledge
  /** How much of the disk may be used from now on. */
  setSpace(config: Config): void
  /** Looks after the space that is left, from now on. */
  watch(): void
  /** Reads what is held anew, behind everything else, from now on. */
  scrub(config: Config, isBusy: () => boolean): Promise<void>
  close(): Promise<void>
}

const manyReaders = 8 // of files: then nothing is scrubbed

/** Who knows what is pinned, and is told of what had to go. */
export type Eviction = OwnedCatalog['eviction']

/** @throws Fault 'store-locked' when another process owns the store, 'disk-failed' */
export async function openGround(
  config: Config,
  { log, clock, steady, version }: Pick<Ground, 'log' | 'clock' | 'steady' | 'version'>,
  eviction: () => Eviction | undefined,
): Promise<Ground> {
  const { path } = config.store
  const lock = acquireStoreLock(path)
  const network = networkFileSystem(path)
  if (network) log.warn('store.network', { path, fileSystem: network, why: 'one server at a time may use it' })
  const metrics = createMetrics()
  const hasher = createHasher()
  const records = await createKeyvRecords({ url: config.records.url, log })
  const evictions = metrics.counter('store_evicted_bytes_total', 'Bytes of blobs that went to make room').with()
  const bad = metrics.counter('store_bad_blobs_total', 'Blobs found damaged, and put aside').with()
  const scrubbed = metrics.counter('store_scrubbed_bytes_total', 'Bytes of blobs that were read anew, behind everything').with()
  const disk = await createDiskStore({
    path,
    clock,
    log,
    bootId: await readBootId(),
    space: spaceOf(config),
    isPinned: (id) => eviction()?.isPinned(id) ?? true,
    evicting: async () => eviction()?.evicting(),
    evicted({ id, bytes }) {
      evictions.add(bytes)
      store.forget(id)
      eviction()?.evicted(id)
    },
    quarantined(id) {
      bad.add(1)
      store.forget(id)
      eviction()?.evicted(id)
    },
  })
  const store = createHotStore({ store: disk, maxBytes: config.store.memory, now: clock.now })
  metrics.gauge('store_bytes', 'Bytes that all blobs take, with what is kept beside them', () => disk.usage.bytes)
  metrics.gauge('store_blobs', 'Blobs held', () => disk.usage.blobs)
  const sidecars = createSidecars({ path, log })
  let stopWatching = async () => {}
  let stopScrub = async () => {}

  return {
    log,
    clock,
    steady,
    version,
    metrics,
    hasher,
    records,
    store,
    sidecars,
    knowledge: createKnowledge({ records, sidecars, now: clock.now }),
    setSpace: (next) => disk.setSpace(spaceOf(next)),
    watch() {
      stopWatching = disk.watch()
    },
    async scrub({ store: { scrub } }, isBusy) {
      await stopScrub()
      stopScrub = startScrub({
        store,
        hasher,
        clock,
        log,
        path,
        rate: scrub.rate,
        everyMs: scrub.every,
        isBusy: () => isBusy() || disk.usage.readers >= manyReaders,
        scrubbed: scrubbed.add,
      })
    },
    async close() {
      await stopScrub()
      await hasher.close()
      await stopWatching()
      await store.close()
      await records[Symbol.asyncDispose]()
      lock.release()
    },
  }
}

function spaceOf({ store }: Config): Space {
  const { quota = Number.POSITIVE_INFINITY, lowWatermark, minFree } = store
  return { quota, lowWatermark, minFree }
}
