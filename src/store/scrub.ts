import { join } from 'node:path'
import { asBlobId, type BlobId, type Digest, digestOrUndefined } from '../model/digest.ts'
import { toFault } from '../model/fault.ts'
import type { Clock } from '../system/clock.ts'
import { readSmallFile, writeDurably } from '../system/files.ts'
import type { Hasher } from '../system/hasher.ts'
import type { Logger } from '../system/log.ts'
import { isSpoilt } from '../system/spoilt.ts'
import type { BlobStore, StoredBlob } from './blob-store.ts'

export interface ScrubDeps {
  readonly store: Pick<BlobStore, 'list' | 'stat' | 'quarantine'>
  readonly hasher: Pick<Hasher, 'start'>
  readonly clock: Clock
  readonly log: Logger
  readonly path: string // of the store: where it had come is kept there
  readonly rate: number // bytes a second; 0: never
  readonly everyMs: number // from the beginning of one round to that of the next
  /** Others have better use for the disk now. */
  readonly isBusy: () => boolean
  readonly scrubbed: (bytes: number) => void
}

const stepBytes = 1024 * 1024 // as often as the hasher is told how far it may read
const leastBytes = 64 * 1024 // what finding a blob costs, however small
const pauseMs = 1_000
const saveEveryMs = 60_000
const longestSleepMs = 3_600_000
const shortestRoundMs = 60_000 // where there is nothing to read
const limit = 64 * 1024 // of the file, in bytes

/** How far it has come: blobs are looked at in the order of their digests, so that each has its turn once in a round. */
interface Place {
  readonly begunAt: number // epoch ms
  readonly after: BlobId | undefined // the last one looked at
  readonly isDone: boolean
}

/**
 * Reads everything that is held anew, slowly and behind everything else, as disks lose bytes without a word. What is wrong goes
 * to the quarantine. The returned function ends it.
 */
export function startScrub(deps: ScrubDeps): () => Promise<void> {
  const control = new AbortController()
  const running = run(deps, control.signal).catch((error) => {
    if (!control.signal.aborted) deps.log.error('scrub.failed', { error })
  })
  return () => {
    control.abort()
    return running
  }
}

async function run(deps: ScrubDeps, signal: AbortSignal): Promise<void> {
  const { clock, log, rate, everyMs } = deps
  if (rate === 0) return
  const path = join(deps.path, 'scrub.json')
  let place = (await read(path)) ?? { begunAt: clock.now(), after: undefined, isDone: false }
  let savedAt = clock.now()

  async function save(): Promise<void> {
    savedAt = clock.now()
    await writeDurably(path, `${JSON.stringify(place)}\n`).catch((error) => log.warn('scrub.place', { error }))
  }

  async function round(): Promise<void> {
    const check = createCheck(deps, signal)
    for await (const blob of deps.store.list(place.after)) {
      await check(blob)
      place = { ...place, after: blob.id }
      if (clock.now() - savedAt >= saveEveryMs) await save()
    }
    place = { ...place, after: undefined, isDone: true }
    await save()
    log.info('scrub.done', { ms: clock.now() - place.begunAt })
  }

  async function goOnLater(error: unknown): Promise<void> {
    signal.throwIfAborted()
    log.warn('scrub.failed', { error })
    await clock.sleep(shortestRoundMs, signal)
  }

  try {
    for (;;) {
      const waitMs = place.isDone ? place.begunAt + Math.max(everyMs, shortestRoundMs) - clock.now() : 0
      if (waitMs > 0) await clock.sleep(Math.min(waitMs, longestSleepMs), signal)
      else {
        if (place.isDone) place = { begunAt: clock.now(), after: undefined, isDone: false }
        await round().catch(goOnLater)
      }
    }
  } finally {
    await save()
  }
}

function createCheck(deps: ScrubDeps, signal: AbortSignal): (blob: StoredBlob) => Promise<void> {
  const { store, hasher, clock, log, rate } = deps
  let owed = 0 // bytes that were read and not yet waited for

  /** Keeps to the rate, and lets others go first. */
  async function turn(bytes: number): Promise<void> {
    owed += bytes
    if (owed >= stepBytes) await clock.sleep((owed * 1000) / rate, signal)
    if (owed >= stepBytes) owed = 0
    while (deps.isBusy()) await clock.sleep(pauseMs, signal)
  }

  async function digest({ path, size }: StoredBlob): Promise<Digest | undefined> {
    await turn(0)
    const hashing = hasher.start(path, ['sha256'])
    try {
      for (let front = stepBytes; front < size; front += stepBytes) {
        hashing.advance(front)
        await turn(stepBytes)
      }
      const { digests } = await hashing.finish(size)
      await turn(Math.max(size % stepBytes, leastBytes))
      return digests[0]
    } finally {
      hashing.cancel()
    }
  }

  /** Why it is bad; undefined where it is good, or nobody can say now. */
  async function fault(blob: StoredBlob): Promise<string | undefined> {
    try {
      const actual = await digest(blob)
      return actual === blob.id ? undefined : `it is ${actual}`
    } catch (error) {
      signal.throwIfAborted()
      if (isSpoilt(error)) return toFault(error, blob.path).message
      if (await store.stat(blob.id)) log.warn('scrub.unread', { digest: blob.id, error })
      return undefined
    }
  }

  return async (blob) => {
    // What is bad twice is not what somebody has just replaced.
    const why = (await fault(blob)) && (await fault(blob))
    deps.scrubbed(blob.size)
    if (why === undefined || !(await store.stat(blob.id))) return
    await store.quarantine(blob.id, why).catch((error) => log.warn('scrub.quarantine', { digest: blob.id, error }))
  }
}

/** A damaged file costs a round that begins anew. */
async function read(path: string): Promise<Place | undefined> {
  try {
    const { begunAt, after, isDone } = JSON.parse(String(await readSmallFile(path, limit))) as Record<string, unknown>
    const digest = typeof after === 'string' ? digestOrUndefined(after) : undefined
    if (typeof begunAt !== 'number' || typeof isDone !== 'boolean') return undefined
    return { begunAt, after: digest && asBlobId(digest), isDone }
  } catch {
    return undefined
  }
}
