import { createHash } from 'node:crypto'
import type { Artifact, Source } from '../model/artifact.ts'
import { type Digest, digestOf } from '../model/digest.ts'
import { Fault, toFault } from '../model/fault.ts'
import type { Clock } from '../system/clock.ts'
import { untilGone } from '../system/until-gone.ts'
import type { SourceReader } from '../upstream/upstream.ts'
import { createGuard } from './guard.ts'
import { nameOf } from './name-of.ts'
import { pour } from './pour.ts'
import { createRing } from './ring.ts'
import { createSources } from './sources.ts'
import { type Opening, type Prefix, prefixAlgorithm } from './transfer.ts'
import { blame } from './until-right.ts'
import { visible, wholeUpTo } from './visible.ts'

/** The bytes that pass, where nothing can be kept on disk: read while they are in a small memory, by all who keep up. */
export interface Window {
  /** Settles once a status can be given, as that of a fill does. */
  readonly opened: Promise<Opening>
  /** Its beginning is still there for somebody who comes now. */
  readonly isJoinable: boolean
  readonly ended: Promise<void>
  /** `given`: what somebody has of these bytes from elsewhere. Undefined when it cannot be joined. Whoever is given it disposes it. */
  join(given: readonly Prefix[]): WindowReader | undefined
  stop(fault: Fault): void
}

export interface WindowReader extends AsyncDisposable, Opening {
  /**
   * As a ByteSource's; undefined once those bytes have passed: this reader was too slow.
   *
   * @throws Fault 'corrupt' where what it was given elsewhere are other bytes than those here
   */
  read(into: Uint8Array, position: number, signal: AbortSignal): Promise<number | undefined>
  /** What it was given, here and elsewhere, once it was too slow. */
  readonly given: readonly Prefix[]
}

export interface WindowDeps {
  readonly read: SourceReader['read']
  readonly clock: Clock
  readonly received: (bytes: number, source: Source) => void
  /** Its bytes, or how many it says they are, are not those asked for. */
  readonly wrong: (source: Source, fault: Fault) => void
  readonly capacity: number // bytes
  readonly patience: Patience
  /** Do others wait for this one to end? */
  readonly isWanted: () => boolean
}

/** How long one that reads nothing holds up others, in ms. */
export interface Patience {
  readonly readersMs: number // those of the same window
  readonly othersMs: number // those who wait for one
}

interface Reader {
  position: number
  movedAt: number // epoch ms
  given: readonly Prefix[] // that was not yet held against what passes here
  isFed: boolean
  fault: Fault | undefined
}

/** Fetches from the first byte to the last, in order, at the pace of its readers; the last byte waits for the digest. */
export function openWindow(deps: WindowDeps, what: string, artifact: Artifact, initial: readonly Source[]): Window {
  const { capacity, clock, patience } = deps
  const [expected] = artifact.digests
  const algorithm = prefixAlgorithm(artifact)
  const control = new AbortController()
  const ring = createRing(capacity)
  const sources = createSources(what, initial)
  const opened = Promise.withResolvers<Opening>()
  const readers = new Set<Reader>()
  const guard = createGuard({ isVouchedFor: expected !== undefined, validator: undefined, learnt: () => {} })
  let hash = createHash(algorithm)
  let size = artifact.size
  let isOpened = false
  let isFed = false
  let agreed = false
  let isOver = false
  let fault: Fault | undefined
  let came = Promise.withResolvers<void>() // for readers: bytes, or the end
  let moved = Promise.withResolvers<void>() // for whoever waits for readers

  const nobody = () => new Fault('cancelled', { what: `passing on ${what}, for nobody,` })

  function wakeReaders(): void {
    came.resolve()
    came = Promise.withResolvers()
  }

  function readersMoved(): void {
    moved.resolve()
    moved = Promise.withResolvers()
  }

  /** Settles when something changed, or after a while. */
  async function change(ms: number): Promise<void> {
    const timer = new AbortController()
    const late = clock.sleep(ms, timer.signal).catch(() => {})
    try {
      await untilGone(Promise.race([moved.promise, late]), control.signal)
    } finally {
      timer.abort()
    }
  }

  /** Of what passed up to there: all of it, or some of it that is still here from the first byte on. */
  function digestAt(end: number): Digest {
    const hashed = end === ring.front ? hash.copy() : createHash(algorithm).update(ring.first(end))
    return digestOf(algorithm, hashed.digest('hex'))
  }

  /** Holds what a reader was given elsewhere against what passed here. */
  function compare(reader: Reader): void {
    for (const { end, digest } of reader.given) {
      if (end > ring.front) continue
      const actual = digestAt(end)
      if (actual !== digest) reader.fault = new Fault('corrupt', { what, expected: digest, actual })
    }
    reader.given = reader.given.filter(({ end }) => end > ring.front)
    const [longer] = reader.given
    if (!agreed || !longer) return
    const why = `it has ${ring.front} bytes where ${longer.end} were given before`
    reader.fault = new Fault('source-changed', { url: what, why })
  }

  function leaveBehind(those: readonly Reader[]): void {
    if (those.length === 0) return
    const passed = ring.front > 0 ? [{ end: ring.front, digest: digestAt(ring.front) }] : []
    for (const reader of those) {
      if (reader.isFed) reader.given = [...reader.given, ...passed]
      readers.delete(reader)
    }
    wakeReaders()
    if (readers.size === 0) control.abort(nobody())
  }

  function still(those: readonly Reader[], ms: number): readonly Reader[] {
    return those.filter(({ movedAt }) => clock.now() - movedAt >= ms)
  }

  /** Waits until so many bytes may be overwritten. */
  async function makeWay(bytes: number): Promise<void> {
    if (readers.size === 0 && ring.front + bytes > capacity) await somebody()
    for (;;) {
      const blocking = [...readers].filter(({ position }) => position < ring.front + bytes - capacity)
      if (blocking.length === 0) return
      const stuck = still(blocking, patience.readersMs)
      if (stuck.length < readers.size) leaveBehind(stuck)
      else if (deps.isWanted()) leaveBehind(still(blocking, patience.othersMs))
      if (blocking.every((reader) => readers.has(reader))) await change(patience.readersMs)
    }
  }

  /** It was opened for somebody who is about to come. */
  async function somebody(): Promise<void> {
    const since = clock.now()
    while (readers.size === 0) {
      if (clock.now() - since >= patience.readersMs) control.abort(nobody())
      await change(patience.readersMs)
    }
  }

  /** No more than up to where something is to be compared. */
  function fitting(bytes: number): number {
    const marks = [...readers].flatMap(({ given }) => given.map(({ end }) => end - ring.front))
    return Math.min(bytes, capacity >> 2, ...marks)
  }

  async function write(chunk: Uint8Array): Promise<void> {
    for (let rest = chunk; rest.length > 0; ) {
      const most = fitting(rest.length)
      await makeWay(most)
      const part = rest.subarray(0, fitting(most)) // somebody may have come meanwhile
      ring.put(part)
      hash.update(part)
      for (const reader of readers) compare(reader)
      rest = rest.subarray(part.length)
      openWhenDue()
      wakeReaders()
    }
  }

  function open(): void {
    isOpened = true
    opened.resolve({ size, version: guard.version })
  }

  function openWhenDue(): void {
    const isDue = size === undefined ? ring.front > wholeUpTo : size > wholeUpTo && sources.hasAnswered
    if (agreed || isDue) open()
  }

  function answered(total: number | undefined, source: Source): void {
    if (total !== undefined && size !== undefined && total !== size) {
      const why = `it has ${total} bytes where ${size} were expected`
      const fault = new Fault('source-changed', { url: nameOf(source), why })
      deps.wrong(source, fault)
      throw fault
    }
    size = total ?? size
    sources.answered()
    openWhenDue()
  }

  function fetch(): Promise<void> {
    return pour({
      read: deps.read,
      received: deps.received,
      sources,
      guard,
      clock,
      signal: control.signal,
      size: () => size,
      answered,
      ended(total) {
        size = total
      },
      write,
    })
  }

  /** False when it has to be fetched again, from another source: while nobody has any of it, nobody notices. */
  async function attempt(): Promise<boolean> {
    await fetch()
    const actual = digestAt(ring.front)
    if (!expected || actual === expected) return true
    const fault = new Fault('corrupt', { what, expected, actual })
    blame({ sources, wrong: deps.wrong }, fault)
    if (isFed || (isOpened && size !== artifact.size) || !sources.pick({ range: false })) throw fault
    ring.reset()
    hash = createHash(algorithm)
    size = artifact.size
    sources.restart()
    return false
  }

  function agree(): void {
    agreed = true
    for (const reader of readers) compare(reader)
    open()
    wakeReaders()
  }

  async function run(): Promise<void> {
    try {
      while (!(await attempt())) wakeReaders()
      agree()
      while (readers.size > 0) {
        if (deps.isWanted()) leaveBehind(still([...readers], patience.othersMs))
        if (readers.size > 0) await change(patience.othersMs)
      }
    } catch (error) {
      fault = toFault(control.signal.aborted ? control.signal.reason : error, what)
      opened.reject(fault)
      wakeReaders()
    } finally {
      isOver = true
    }
  }

  function leave(reader: Reader): void {
    if (!readers.delete(reader)) return
    readersMoved()
    if (readers.size === 0 && !agreed) control.abort(nobody())
  }

  /** What was given elsewhere is compared first, unless that would take more than fits here: then before the end. */
  function isHeldBack({ given }: Reader, position: number): boolean {
    return given.some(({ end }) => end <= position + capacity)
  }

  async function readAt(reader: Reader, into: Uint8Array, position: number, signal: AbortSignal): Promise<number | undefined> {
    reader.movedAt = clock.now()
    if (position !== reader.position) {
      reader.position = position
      readersMoved()
    }
    for (;;) {
      signal.throwIfAborted()
      if (reader.fault) throw reader.fault
      if (readers.has(reader) && position < ring.start) leaveBehind([reader])
      if (!readers.has(reader)) return undefined
      if (fault) throw fault
      const count = Math.min(visible(ring.front, size, agreed) - position, into.length)
      if (count > 0 && !isHeldBack(reader, position)) {
        isFed = reader.isFed = true
        ring.read(into.subarray(0, count), position)
        reader.position = position + count
        reader.movedAt = clock.now()
        readersMoved()
        return count
      }
      if (agreed) return 0
      await untilGone(came.promise, signal)
    }
  }

  opened.promise.catch(() => {})
  const ended = run()
  const isJoinable = () => ring.start === 0 && !isOver && !control.signal.aborted

  return {
    opened: opened.promise,
    ended,
    get isJoinable() {
      return isJoinable()
    },
    join(given) {
      if (!isJoinable()) return undefined
      const reader: Reader = { position: 0, movedAt: clock.now(), given, isFed: false, fault: undefined }
      isFed ||= given.length > 0
      readers.add(reader)
      compare(reader)
      readersMoved()
      return {
        get size() {
          return size
        },
        get version() {
          return guard.version
        },
        get given() {
          return reader.given
        },
        read: (into, at, signal) => readAt(reader, into, at, signal),
        async [Symbol.asyncDispose]() {
          leave(reader)
        },
      }
    },
    stop: (fault) => control.abort(fault),
  }
}
