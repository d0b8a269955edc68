import type { Artifact, Source } from '../model/artifact.ts'
import type { Digest } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import type { Metrics } from '../system/metrics.ts'
import { type FillDeps, type RunningFill, startFill } from './fill.ts'
import { createQueue } from './queue.ts'
import type { Fill, Transfer } from './transfer.ts'

export interface TransferDeps extends Omit<FillDeps, 'enter' | 'received' | 'ending'> {
  readonly metrics: Metrics
  readonly maxFills: number // running at once
  readonly maxQueued: number // waiting for their turn
}

/** All fills of this process, one per digest. */
export function createTransfer(deps: TransferDeps): Transfer {
  const fills = new Map<Digest, RunningFill>() // that may be joined
  const alive = new Set<RunningFill>()
  const queue = createQueue(deps.maxFills, deps.maxQueued)
  const count = counters(deps.metrics, fills, () => queue.waiting)
  let isClosing = false

  function start(asked: Digest, artifact: Artifact, sources: readonly Source[]): RunningFill {
    if (isClosing) throw new Fault('overloaded', { what: 'the server is stopping', retryAfterMs: 5_000 })
    const upstream = artifact.reference.upstream
    const forget = () => {
      if (fills.get(asked) === fill) fills.delete(asked)
    }
    const fill: RunningFill = startFill(
      {
        ...deps,
        received: (bytes, source) => count.bytes.add(bytes, source.via),
        enter: (signal) => queue.enter(upstream, signal),
        ending: forget,
      },
      asked,
      artifact,
      sources,
    )
    fills.set(asked, fill)
    alive.add(fill)
    fill.stored
      .then(
        () => count.fills.add(1, upstream, 'stored'),
        () => count.fills.add(1, upstream, 'failed'),
      )
      .finally(() => {
        forget()
        alive.delete(fill)
      })
    return fill
  }

  return {
    fill(artifact, sources): Fill {
      const asked = artifact.digests[0]
      if (!asked) throw new Fault('internal', { what: 'a fill needs a digest' })
      const running = fills.get(asked)
      running?.add(sources)
      return running ?? start(asked, artifact, sources)
    },
    running: (digest) => fills.get(digest),
    list: () => [...fills.values()].map((fill) => fill.state),
    async close(signal) {
      isClosing = true
      const stopAll = () => {
        for (const fill of alive) fill.stop('the server is stopping')
      }
      if (signal.aborted) stopAll()
      signal.addEventListener('abort', stopAll, { once: true })
      await Promise.allSettled([...alive].map((fill) => fill.stored))
      signal.removeEventListener('abort', stopAll)
    },
  }
}

function counters(metrics: Metrics, fills: ReadonlyMap<Digest, RunningFill>, waiting: () => number) {
  metrics.gauge('transfer_fills_running', 'Fills under way, queued ones included', () => fills.size)
  metrics.gauge('transfer_fills_queued', 'Fills waiting for their turn', waiting)
  return {
    fills: metrics.counter('transfer_fills_total', 'Fills ended', ['upstream', 'result']),
    bytes: metrics.counter('transfer_upstream_bytes_total', 'Body bytes received from sources', ['upstream']),
  }
}
