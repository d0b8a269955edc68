import type { Source } from '../model/artifact.ts'
import type { Spool } from '../store/blob-store.ts'
import type { Clock } from '../system/clock.ts'
import type { SourceReader } from '../upstream/upstream.ts'
import type { Guard } from './guard.ts'
import { startSegment } from './segment.ts'
import type { Sources } from './sources.ts'

export interface PourDeps {
  readonly read: SourceReader['read']
  readonly sources: Sources
  readonly guard: Guard
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly received: (bytes: number, source: Source) => void
  /** As far as it is known. */
  readonly size: () => number | undefined
  /** A source answered. @throws Fault 'source-changed' when its total is not the size known so far */
  readonly answered: (total: number | undefined, source: Source) => void
  /** A body of unknown length ended here. */
  readonly ended: (size: number) => void
  /** What comes next. The next is asked for once it settles; the bytes are good until then. */
  readonly write: (chunk: Uint8Array) => Promise<void>
}

/** Fetches from the first byte to the last, in order, from one source after another. @throws the Fault that no source could mend */
export async function pour({ sources, guard, signal, size, write, ...deps }: PourDeps): Promise<void> {
  /** Stands where a segment has its spool, and holds nothing. */
  const sink = {
    held: { ranges: [], total: 0, reach: () => 0, nextHeld: (_: number, limit: number) => limit },
    async write(_: number, chunks: readonly Uint8Array[]) {
      for (const chunk of chunks) await write(chunk)
    },
  } as unknown as Spool

  const segment = startSegment(
    {
      read: deps.read,
      clock: deps.clock,
      received: deps.received,
      spool: sink,
      sources,
      guard: () => guard,
      signal,
      answered({ total }, source) {
        deps.answered(total, source)
        segment.end = size() ?? segment.end
      },
      held: () => {},
      ended(total) {
        deps.ended(total)
        segment.end = total
      },
      sent: () => {},
      troubled: () => {},
    },
    { start: 0, end: size() ?? Number.POSITIVE_INFINITY, isAdopted: true },
  )
  await segment.finished
  signal.throwIfAborted()
}
