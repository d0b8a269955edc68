import type { Artifact, Source } from '../model/artifact.ts'
import type { ByteSource } from '../model/byte-source.ts'
import { asBlobId, isStrong } from '../model/digest.ts'
import { Fault, isFault, toFault } from '../model/fault.ts'
import { printReference } from '../model/reference.ts'
import type { BlobStore, Spool } from '../store/blob-store.ts'
import type { Clock } from '../system/clock.ts'
import type { Hasher } from '../system/hasher.ts'
import type { Logger } from '../system/log.ts'
import type { Discover, SourceBody, SourceReader } from '../upstream/upstream.ts'
import type { Along } from './along.ts'
import { createCredits } from './blame.ts'
import { type Crew, createCrew } from './crew.ts'
import { createGuard, type Guard } from './guard.ts'
import { createHints } from './hints.ts'
import { createLinger } from './linger.ts'
import { nameOf } from './name-of.ts'
import { isWorthFinishing } from './plan.ts'
import { createReaders } from './readers.ts'
import { createSources } from './sources.ts'
import { type Approve, type Fill, type Filled, type FillState, type Opening, type Prefix, prefixAlgorithm } from './transfer.ts'
import { fetchUntilRight } from './until-right.ts'
import { visible, wholeUpTo } from './visible.ts'

export interface FillDeps {
  readonly store: Pick<BlobStore, 'open' | 'stat' | 'stage'>
  readonly read: SourceReader['read']
  /** Does a body of this source wait for its turn at the uplink? */
  readonly isHeldBack?: (source: Source) => boolean
  readonly hasher: Hasher
  readonly clock: Clock
  readonly log: Logger
  readonly lingerMs: number // how long a fill goes on for nobody
  readonly received: (bytes: number, source: Source) => void
  readonly discover: Discover
  /** Asked when the bytes are right, before anybody hears of it. */
  readonly approve?: Approve
  /** Its bytes, or how many it says they are, are not those asked for. */
  readonly wrong: (source: Source, fault: Fault) => void
  /** Waits for a place among the running fills. */
  readonly enter: (signal: AbortSignal) => Promise<() => void>
  /** It ends, well or not: nobody may join any more, though it has yet to let go of what it holds. */
  readonly ending: () => void
}

export interface RunningFill extends Fill {
  readonly state: FillState
  add(sources: readonly Source[]): void
  /** Keeps what is held as a spool and ends. */
  stop(why: string): void
}

/** One blob on its way in. It belongs to nobody who asked: it has its own signal and outlives its readers for a while. */
export function startFill(deps: FillDeps, key: string, artifact: Artifact, initial: readonly Source[]): RunningFill {
  const { store, clock, log } = deps
  const [expected] = artifact.digests
  const what = expected ?? printReference(artifact.reference)
  const control = new AbortController()
  const sources = createSources(what, initial)
  const opened = Promise.withResolvers<Opening>()
  const startedAt = clock.now()
  const credits = createCredits()
  let phase: FillState['phase'] = 'queued'
  let size = artifact.size
  let agreed = false
  let isOver = false
  let isStartingOver = false
  let spool: Spool | undefined
  let guard: Guard | undefined
  let crew: Crew | undefined
  let existing: ByteSource | undefined
  let along: Along | undefined
  let given: Prefix | undefined
  let keptAt: string | undefined

  const hints = createHints({
    what,
    expected: isStrong(expected) ? expected : undefined,
    discover: deps.discover,
    sources,
    credits,
    hasher: deps.hasher,
    log,
    signal: control.signal,
    size: () => size,
    checkable: () => (agreed || isOver || isStartingOver ? undefined : spool),
    changed,
    shownWrong(fault, piece) {
      readers.fail(fault, 'fed')
      along?.retreat(piece.start)
    },
    failed: (error) => void end(toFault(error, `hashing of ${what}`)),
    began: () => crew?.replan(),
  })

  const readers = createReaders(
    {
      get size() {
        return size
      },
      get isWhole() {
        return agreed
      },
      end: (position) => (existing ? (size ?? 0) : visible(position + reach(position), size, agreed)),
      read: (into, position) => (existing ? existing.read(into, position, control.signal) : spool!.read(into, position)),
      borrow: async (position, end) => (existing ? undefined : spool!.borrow(position, end)),
      locate: async (position, count) =>
        existing ? existing.locate?.(position, count, control.signal) : { path: keptAt ?? spool!.path, count },
    },
    () => {
      crew?.steer()
      linger.update(readers.count > 0 || isOver)
      if (isOver) void letGo()
    },
  )

  /** How many bytes from a position on have come and, where piece hashes are known, agree. */
  function reach(position: number): number {
    if (isStartingOver) return 0
    return hints.checking?.reach(position) ?? spool?.held.reach(position) ?? 0
  }

  const linger = createLinger(clock, deps.lingerMs, () => {
    const isNeeded = readers.count > 0 || isOver || phase === 'committing'
    if (!isNeeded && !isWorthFinishing(spool?.held.total ?? 0, size)) stop('nobody waits for it any more')
  })

  function came(start: number, end: number): void {
    hints.checking?.came(start, end)
    changed()
  }

  function changed(): void {
    along?.advance(reach(0))
    crew?.wake()
    readers.wake()
    openWhenDue()
  }

  /** A status can be given once somebody has answered; what is only shown whole gets it when it is. */
  function openWhenDue(): void {
    const isDue = size === undefined ? (spool?.held.total ?? 0) > wholeUpTo : size > wholeUpTo && sources.hasAnswered
    if (agreed || isDue) opened.resolve({ size, version: guard?.version })
  }

  function learn(total: number): void {
    size = total
    spool?.note({ size: total })
    crew?.limit(total)
  }

  function isHeldPast(end: number): boolean {
    return spool !== undefined && Number.isFinite(spool.held.nextHeld(end, Number.POSITIVE_INFINITY))
  }

  function answered({ total, links }: SourceBody, source: Source): void {
    if (total !== undefined && size !== undefined && total !== size) {
      const why = `it has ${total} bytes where ${size} were expected`
      const fault = new Fault('source-changed', { url: nameOf(source), why })
      deps.wrong(source, fault)
      throw fault
    }
    if (total !== undefined && isHeldPast(total)) throw end(tooLong(source, total))
    if (total !== undefined) learn(total)
    sources.answered()
    openWhenDue()
    hints.follow(links, source)
  }

  function hire(spool: Spool): Crew {
    return createCrew({
      read: deps.read,
      isHeldBack: deps.isHeldBack,
      spool,
      sources,
      guard: () => guard!,
      clock,
      signal: control.signal,
      answered,
      received: deps.received,
      held: came,
      ended: learn,
      sent: credits.add,
      checks: () => (hints.checking?.isGivenUp ? undefined : hints.checking),
      troubled: (source, error, waitMs) => log.warn('fill.source', { what, url: nameOf(source), waitMs, error }),
      size: () => size,
      interests: () => readers.interests,
    })
  }

  /** Clients were told of a size that only the source with the wrong bytes vouched for. */
  function isToldOfOtherSize(): boolean {
    return size !== undefined && size > wholeUpTo && size !== artifact.size
  }

  function untilRight(spool: Spool, crew: Crew) {
    return fetchUntilRight({
      what,
      expected,
      spool,
      crew,
      sources,
      hasher: deps.hasher,
      log,
      signal: control.signal,
      size: () => size,
      wrong: deps.wrong,
      follow(next) {
        along = next
        along.advance(reach(0))
      },
      async startOver(fault) {
        isStartingOver = true // nobody who comes now is shown any of it
        readers.fail(fault, isToldOfOtherSize() ? 'all' : 'fed')
        hints.drop()
        await spool.reset()
        size = artifact.size
        isStartingOver = false
      },
    })
  }

  /** Somebody may have brought the blob in between the question whether it is there and this fill. */
  async function adopt(): Promise<Filled | undefined> {
    const id = expected && asBlobId(expected)
    const held = id && (await store.stat(id))
    if (!held || (artifact.size !== undefined && held.size !== artifact.size)) return undefined
    await approve(held.path, held.size, [id])
    existing = await store.open(id)
    if (!existing) return undefined
    size = existing.size
    agree()
    return { artifact, blob: held, digests: [id], mentions: [], version: undefined }
  }

  async function bringIn(): Promise<Filled> {
    spool = await store.stage(key, size)
    if (size !== undefined && ((spool.noted.size ?? size) !== size || isHeldPast(size))) await spool.reset()
    guard = await guardOf(spool)
    size ??= spool.noted.size
    crew = hire(spool)
    phase = 'running'
    log.info('fill.start', { what, size, held: spool.held.total, sources: initial.map(nameOf) })
    const { digests } = await untilRight(spool, crew)
    for (const [source, fault] of hints.checking?.liars ?? []) deps.wrong(source, fault)
    await approve(spool.path, size ?? spool.held.total, digests)
    agree()
    phase = 'committing'
    const blob = await spool.commit(digests.map(asBlobId).find((id) => id !== undefined)!)
    keptAt = blob.path
    log.info('fill.end', { what, digest: blob.id, size, ms: clock.now() - startedAt })
    return { artifact, blob, digests, mentions: hints.mentions, version: guard.version }
  }

  /** What an earlier run left is gone on with only where its version is known. */
  async function guardOf(spool: Spool): Promise<Guard> {
    const isVouchedFor = expected !== undefined
    if (!isVouchedFor && spool.noted.validator === undefined && spool.held.total > 0) await spool.reset()
    return createGuard({
      isVouchedFor,
      validator: spool.noted.validator,
      learnt: (validator) => spool.note({ validator }),
    })
  }

  async function approve(path: string, size: number, digests: Filled['digests']): Promise<void> {
    await deps.approve?.({ artifact, path, size, digests, mentions: hints.mentions }, control.signal)
  }

  function agree(): void {
    agreed = true
    opened.resolve({ size, version: guard?.version })
    readers.wake()
  }

  async function run(): Promise<Filled> {
    const leave = await deps.enter(control.signal)
    try {
      return (await adopt()) ?? (await bringIn())
    } finally {
      leave()
    }
  }

  /** What readers may have of bytes that nobody will have verified. */
  async function prefix(): Promise<Prefix | undefined> {
    const end = reach(0)
    if (!spool || end === 0 || readers.count === 0) return undefined
    const [digest] = await deps.hasher.whole(spool.path, end, [prefixAlgorithm(artifact)], new AbortController().signal)
    return digest && { end, digest }
  }

  async function fail(error: unknown): Promise<Fault> {
    deps.ending()
    const fault = toFault(control.signal.aborted ? control.signal.reason : error, `fill of ${what}`)
    log.warn('fill.failed', { what, held: spool?.held.total, error: fault })
    await crew?.stop()
    opened.reject(fault)
    if (isFault(fault, 'disk-full', 'disk-failed')) given = await prefix().catch(() => undefined)
    readers.fail(fault, 'all')
    // What is held may be wrong itself, or it would keep room from what does fit: the next fill begins from nothing.
    if (isFault(fault, ...notWorthKeeping) && !agreed) await spool?.drop().catch(() => {})
    await spool?.[Symbol.asyncDispose]() // nobody reads on, and who asks next needs the key
    spool = undefined
    return fault
  }

  async function runToEnd(): Promise<Filled> {
    try {
      return await run()
    } catch (error) {
      throw await fail(error)
    } finally {
      isOver = true
      hints.end()
      deps.ending()
      await letGo()
    }
  }

  /** Once it is over and nobody reads: until then readers go on reading a committed spool. */
  async function letGo(): Promise<void> {
    if (readers.count > 0) return
    const open = [spool, existing]
    spool = existing = undefined
    for (const one of open) await one?.[Symbol.asyncDispose]()
  }

  function stop(why: string): void {
    end(new Fault('cancelled', { what: `fill of ${what} (${why})` }))
  }

  /** It may take a while to stop, and whoever joined meanwhile would be stopped with it. */
  function end(fault: Fault): Fault {
    deps.ending()
    control.abort(fault)
    return fault
  }

  opened.promise.catch(() => {}) // whoever joined hears of it through its reader
  const stored = runToEnd()
  stored.catch(() => {})

  return {
    artifact,
    opened: opened.promise,
    stored,
    follow: () => readers.join(),
    get given() {
      return given
    },
    add: (more) => sources.add(more),
    stop,
    get state() {
      return { what, size, held: spool?.held.total ?? 0, readers: readers.count, startedAt, phase }
    },
  }
}

const notWorthKeeping = ['corrupt', 'source-changed', 'signature-missing', 'signature-invalid', 'disk-full'] as const

function tooLong(source: Source, total: number): Fault {
  return new Fault('source-changed', { url: nameOf(source), why: `it has ${total} bytes where another has sent more` })
}
