import type { Source } from '../model/artifact.ts'
import { Fault } from '../model/fault.ts'
import type { ByteRange } from '../model/range.ts'
import type { Spool } from '../store/blob-store.ts'
import type { Clock } from '../system/clock.ts'
import type { SourceBody, SourceReader } from '../upstream/upstream.ts'
import type { Guard } from './guard.ts'
import { nameOf } from './name-of.ts'
import type { Sources } from './sources.ts'
import { createSpoolWriter } from './spool-writer.ts'

/** One run of bytes on its way into the spool, from one source after another until it is whole. */
export interface Segment {
  /** Where it began. From here to `end` nobody else need fetch. */
  readonly start: number
  /** The next byte to come from the source. */
  readonly front: number
  /** When its first request went out (ms); undefined while that waits for its turn at the source, behind others of ours. */
  readonly askedAt: number | undefined
  /** Where it stops; a segment that begins inside this one moves it. Infinity while the size is unknown. */
  end: number
  /** A segment opened for a reader is dropped when no reader needs it, until it is adopted. */
  isAdopted: boolean
  /** Settles at the end, or when stopped. @throws the Fault that no source could mend */
  readonly finished: Promise<void>
  stop(): void
}

export interface SegmentDeps {
  readonly read: SourceReader['read']
  readonly spool: Spool
  readonly sources: Sources
  readonly guard: () => Guard
  readonly clock: Clock
  readonly signal: AbortSignal
  /** A source answered. @throws Fault 'source-changed' when its total is not the size known so far */
  readonly answered: (body: SourceBody, source: Source) => void
  readonly received: (bytes: number, source: Source) => void
  readonly held: (start: number, end: number) => void
  /** A body of unknown length ended here; moves the segment's end. */
  readonly ended: (size: number) => void
  /** These bytes came from that source. */
  readonly sent: (range: ByteRange, source: Source) => void
  readonly troubled: (source: Source, error: unknown, waitMs: number) => void
}

export interface SegmentStart extends ByteRange {
  readonly isAdopted: boolean
  /** Only this one is asked, and for no more than the range: when it fails, the segment ends. */
  readonly source?: Source
}

export function startSegment(deps: SegmentDeps, from: SegmentStart): Segment {
  const control = new AbortController()
  const signal = AbortSignal.any([control.signal, deps.signal])
  let position = from.start
  let askedAt: number | undefined

  async function run(): Promise<void> {
    while (position < segment.end && !control.signal.aborted) {
      const source = from.source ?? deps.sources.pick({ range: !segment.isAdopted })
      if (!source) return // only a reader's own request gets here: it waits for the rest instead
      const before = position
      try {
        await fetchFrom(source)
        if (from.source && position === before) return // it gives no parts
        deps.sources.worked(source)
      } catch (error) {
        if (control.signal.aborted) return
        deps.signal.throwIfAborted()
        if (position > before) deps.sources.worked(source)
        const waitMs = deps.sources.failed(source, error)
        deps.troubled(source, error, waitMs)
        if (from.source) segment.end = position // others may go on while it pauses
        if (waitMs > 0) await deps.clock.sleep(waitMs, signal).catch(() => deps.signal.throwIfAborted())
      }
    }
  }

  function sent(): void {
    askedAt ??= deps.clock.now()
  }

  async function fetchFrom(source: Source): Promise<void> {
    const asked = from.isAdopted && !from.source ? mainRange(deps.spool, position) : { start: position, end: segment.end }
    const validator = asked && asked.start > 0 ? deps.guard().forPart(source) : undefined
    const want = { ...(asked && { range: asked }), ...(validator !== undefined && { validator }), sent }
    const connection = new AbortController()
    const answer = await deps.read(source, want, AbortSignal.any([signal, connection.signal]))
    sent()
    try {
      deps.guard().check(answer, source, position)
      deps.answered(answer, source)
      if (answer.status === 200 && position > 0) {
        deps.sources.isRangeless(source)
        if (!segment.isAdopted || from.source) return
      }
      await receive(answer, source)
    } finally {
      connection.abort()
    }
  }

  /** Writes what is wanted of the body: from `position`, which a source that ignored the range reaches later, to the end. */
  async function receive(answer: SourceBody, source: Source): Promise<void> {
    let offset = answer.range.start
    const writer = createSpoolWriter(deps.spool, position, (start, end) => {
      deps.sent({ start, end }, source) // first: what is held may turn out to be wrong at once
      deps.held(start, end)
    })
    try {
      for await (const chunk of answer.body) {
        deps.received(chunk.length, source)
        const piece =
          offset >= position && offset + chunk.length <= segment.end
            ? chunk
            : clip(chunk, position - offset, segment.end - offset)
        offset += chunk.length
        if (piece.length === 0 && offset <= position) continue
        const busy = writer.push(piece)
        position += piece.length
        if (busy) await busy
        // A body read to its very end leaves a connection that can be used again.
        if (position >= segment.end && offset !== answer.range.end) return
      }
    } finally {
      await writer.drain()
    }
    if (!Number.isFinite(segment.end)) return deps.ended(offset)
    if (position < segment.end) throw new Fault('source-cut', { url: nameOf(source), received: offset, expected: segment.end })
  }

  const segment: Segment = {
    start: from.start,
    get front() {
      return position
    },
    get askedAt() {
      return askedAt
    },
    end: from.end,
    isAdopted: from.isAdopted,
    finished: Promise.resolve(),
    stop: () => control.abort(),
  }
  return Object.assign(segment, { finished: run() })
}

function clip(chunk: Uint8Array, from: number, to: number): Uint8Array {
  return chunk.subarray(Math.max(0, from), Math.max(0, to))
}

/**
 * The main run asks up to bytes that are held, as what comes beyond them would be thrown away. Else it asks to the end
 * of the blob, also where others are at work, so that it need not ask again when one of them leaves early.
 */
function mainRange({ held }: Pick<Spool, 'held'>, start: number): { start: number; end?: number } | undefined {
  const end = held.nextHeld(start, Number.POSITIVE_INFINITY)
  if (Number.isFinite(end)) return { start, end }
  return start === 0 ? undefined : { start }
}
