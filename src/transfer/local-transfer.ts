import type { Artifact, Source } from '../model/artifact.ts'
import { Fault } from '../model/fault.ts'
import type { Metrics } from '../system/metrics.ts'
import { type FillDeps, type RunningFill, startFill } from './fill.ts'
import { createPassing } from './passing.ts'
import { createQueue } from './queue.ts'
import type { Supply } from './supply.ts'
import { type Fill, fillKey, type Transfer } from './transfer.ts'
import type { Uplink } from './uplink.ts'

export interface TransferDeps extends Omit<FillDeps, 'enter' | 'received' | 'ending' | keyof Supply> {
  readonly metrics: Metrics
  readonly maxFills: number // running at once
  readonly maxQueued: number // waiting for their turn
  /** Asked at the beginning of each fill, which keeps to what it was given. */
  readonly supply: () => Supply
  readonly uplink?: Pick<Uplink, 'paced'>
}

/** All fills of this process, one for the same bytes. */
export function createTransfer(deps: TransferDeps): Transfer {
  const fills = new Map<string, RunningFill>() // that may be joined
  const alive = new Set<RunningFill>()
  const queue = createQueue(deps.maxFills, deps.maxQueued)
  const count = counters(deps.metrics, fills, () => queue.waiting)
  const received = (bytes: number, source: Source) => count.bytes.add(bytes, source.via)
  const passing = createPassing({ ...deps, supply, received, passed: () => count.passed.add(1) })
  let isClosing = false

  function supply(key: string): Supply {
    const now = deps.supply()
    return deps.uplink ? { ...now, ...deps.uplink.paced(key, now.read) } : now
  }

  function start(key: string, artifact: Artifact, sources: readonly Source[]): RunningFill {
    if (isClosing) throw new Fault('overloaded', { what: 'the server is stopping', retryAfterMs: 5_000 })
    const upstream = artifact.reference.upstream
    const forget = () => {
      if (fills.get(key) === fill) fills.delete(key)
    }
    const { uses, ...supplied } = supply(key)
    uses?.enter()
    const fill: RunningFill = startFill(
      {
        ...deps,
        ...supplied,
        received,
        enter: (signal) => queue.enter(upstream, signal),
        ending: forget,
      },
      key,
      artifact,
      sources,
    )
    fills.set(key, fill)
    alive.add(fill)
    fill.stored
      .then(
        () => count.fills.add(1, upstream, 'stored'),
        () => count.fills.add(1, upstream, 'failed'),
      )
      .finally(() => {
        forget()
        alive.delete(fill)
        uses?.leave()
      })
    return fill
  }

  return {
    fill(artifact, sources): Fill {
      const key = fillKey(artifact)
      const running = fills.get(key)
      running?.add(sources)
      return passing.outlasting(running ?? start(key, artifact, sources), artifact, sources)
    },
    running: (key) => fills.get(key),
    setLimits: queue.setLimits,
    list: () => [...fills.values()].map((fill) => fill.state),
    async close(signal) {
      isClosing = true
      const stopAll = () => {
        for (const fill of alive) fill.stop('the server is stopping')
      }
      if (signal.aborted) stopAll()
      signal.addEventListener('abort', stopAll, { once: true })
      await Promise.allSettled([...alive].map((fill) => fill.stored))
      await passing.close(signal)
      signal.removeEventListener('abort', stopAll)
    },
  }
}

function counters(metrics: Metrics, fills: ReadonlyMap<string, RunningFill>, waiting: () => number) {
  metrics.gauge('transfer_fills_running', 'Fills under way, queued ones included', () => fills.size)
  metrics.gauge('transfer_fills_queued', 'Fills waiting for their turn', waiting)
  return {
    passed: metrics.counter('transfer_passed_total', 'Bodies passed on without being kept, as the disk took no more').with(),
    fills: metrics.counter('transfer_fills_total', 'Fills ended', ['upstream', 'result']),
    bytes: metrics.counter('transfer_upstream_bytes_total', 'Body bytes received from sources', ['upstream']),
  }
}
