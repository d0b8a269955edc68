import type { Artifact, Source } from '../model/artifact.ts'
import type { ByteSource } from '../model/byte-source.ts'
import { asBlobId, type Digest } from '../model/digest.ts'
import { Fault, isFault, toFault } from '../model/fault.ts'
import type { PieceHashes } from '../model/pieces.ts'
import type { ByteRange } from '../model/range.ts'
import type { BlobStore, Spool, StoredBlob } from '../store/blob-store.ts'
import type { Clock } from '../system/clock.ts'
import type { Hasher } from '../system/hasher.ts'
import type { Logger } from '../system/log.ts'
import type { Discover, MetalinkLinks, SourceBody, SourceReader } from '../upstream/upstream.ts'
import type { Along } from './along.ts'
import { createCredits } from './blame.ts'
import { type Checking, createChecking } from './checking.ts'
import { type Crew, createCrew } from './crew.ts'
import { createLinger } from './linger.ts'
import { isWorthFinishing } from './plan.ts'
import { createReaders } from './readers.ts'
import { nameOf } from './segment.ts'
import { createSources } from './sources.ts'
import type { Fill, Filled, FillState } from './transfer.ts'
import { fetchUntilRight } from './until-right.ts'
import { visible, wholeUpTo } from './visible.ts'

export interface FillDeps {
  readonly store: Pick<BlobStore, 'open' | 'stat' | 'stage'>
  readonly read: SourceReader['read']
  readonly hasher: Hasher
  readonly clock: Clock
  readonly log: Logger
  readonly lingerMs: number // how long a fill goes on for nobody
  readonly received: (bytes: number, source: Source) => void
  readonly discover: Discover
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

const worthDiscovering = 8 * 1024 * 1024 // bytes: below it more connections cost more than they bring

/** One blob on its way in. It belongs to nobody who asked: it has its own signal and outlives its readers for a while. */
export function startFill(deps: FillDeps, asked: Digest, artifact: Artifact, initial: readonly Source[]): RunningFill {
  const { store, clock, log } = deps
  const control = new AbortController()
  const sources = createSources(asked, initial)
  const opened = Promise.withResolvers<{ size: number | undefined }>()
  const startedAt = clock.now()
  const credits = createCredits()
  let phase: FillState['phase'] = 'queued'
  let size = artifact.size
  let agreed = false
  let isOver = false
  let isStartingOver = false
  let spool: Spool | undefined
  let crew: Crew | undefined
  let existing: ByteSource | undefined
  let along: Along | undefined
  let checking: Checking | undefined
  let hasDiscovered = false

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
    return checking?.reach(position) ?? spool?.held.reach(position) ?? 0
  }

  const linger = createLinger(clock, deps.lingerMs, () => {
    const isNeeded = readers.count > 0 || isOver || phase === 'committing'
    if (!isNeeded && !isWorthFinishing(spool?.held.total ?? 0, size)) stop('nobody waits for it any more')
  })

  function came(start: number, end: number): void {
    checking?.came(start, end)
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
    if (agreed || isDue) opened.resolve({ size })
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
    if (links) discover(links, source)
  }

  /** What the first answer that has links leads to: more places, and hashes of pieces. Only hints: the digest decides. */
  function discover(links: MetalinkLinks, source: Source): void {
    if (hasDiscovered || size === undefined || size < worthDiscovering) return
    hasDiscovered = true
    const meant = size
    deps.discover(asked, meant, links, source, control.signal).then(
      ({ pieces, sources: more }) => {
        sources.add(more)
        if (pieces && spool && size === meant && !agreed && !isOver && !isStartingOver) checkWith(pieces, spool)
      },
      (error) => log.info('fill.discover', { digest: asked, url: nameOf(source), error }),
    )
  }

  function checkWith(pieces: PieceHashes, spool: Spool): void {
    if (size === undefined || checking) return
    const shownWrong = (fault: Fault, piece: ByteRange) => {
      readers.fail(fault, 'fed')
      along?.retreat(piece.start)
    }
    const failed = (error: unknown) => void end(toFault(error, `hashing of ${asked}`))
    checking = createChecking({
      what: asked,
      pieces,
      size,
      spool,
      sources,
      credits,
      hasher: deps.hasher,
      log,
      changed,
      shownWrong,
      failed,
    })
    crew?.replan()
  }

  function hire(spool: Spool): Crew {
    return createCrew({
      read: deps.read,
      spool,
      sources,
      clock,
      signal: control.signal,
      answered,
      received: deps.received,
      held: came,
      ended: learn,
      sent: credits.add,
      checks: () => (checking?.isGivenUp ? undefined : checking),
      troubled: (source, error, waitMs) => log.warn('fill.source', { digest: asked, url: nameOf(source), waitMs, error }),
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
      what: asked,
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
        checking?.giveUp() // the hashes did not keep the wrong bytes out
        checking = undefined
        await spool.reset()
        size = artifact.size
        isStartingOver = false
      },
    })
  }

  /** Somebody may have brought the blob in between the question whether it is there and this fill. */
  async function adopt(): Promise<Filled | undefined> {
    const id = asBlobId(asked)
    existing = id && (await store.open(id))
    if (!id || !existing) return undefined
    size = existing.size
    agree()
    return { blob: (await store.stat(id)) as StoredBlob, digests: [asked] }
  }

  async function bringIn(): Promise<Filled> {
    spool = await store.stage(asked, size)
    if (size !== undefined && ((spool.noted.size ?? size) !== size || isHeldPast(size))) await spool.reset()
    size ??= spool.noted.size
    crew = hire(spool)
    phase = 'running'
    log.info('fill.start', { digest: asked, size, held: spool.held.total, sources: initial.map(nameOf) })
    const { digests } = await untilRight(spool, crew)
    agree()
    phase = 'committing'
    const blob = await spool.commit(digests.map(asBlobId).find((id) => id !== undefined)!)
    log.info('fill.end', { digest: asked, size, ms: clock.now() - startedAt })
    return { blob, digests }
  }

  function agree(): void {
    agreed = true
    opened.resolve({ size })
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

  async function fail(error: unknown): Promise<Fault> {
    deps.ending()
    const fault = toFault(control.signal.aborted ? control.signal.reason : error, `fill of ${asked}`)
    log.warn('fill.failed', { digest: asked, held: spool?.held.total, error: fault })
    await crew?.stop()
    opened.reject(fault)
    readers.fail(fault, 'all')
    // What is held may be wrong itself, or it would keep room from what does fit: the next fill begins from nothing.
    if (isFault(fault, 'corrupt', 'source-changed', 'disk-full') && !agreed) await spool?.drop().catch(() => {})
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
    end(new Fault('cancelled', { what: `fill of ${asked} (${why})` }))
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
    opened: opened.promise,
    stored,
    follow: () => readers.join(),
    add: (more) => sources.add(more),
    stop,
    get state() {
      return { digest: asked, size, held: spool?.held.total ?? 0, readers: readers.count, startedAt, phase }
    },
  }
}

function tooLong(source: Source, total: number): Fault {
  return new Fault('source-changed', { url: nameOf(source), why: `it has ${total} bytes where another has sent more` })
}
