import type { Metrics } from '../system/metrics.ts'
import { createRequestIds } from '../system/trace.ts'
import { type Admission, createAdmission } from './admission.ts'
import { type Buffers, bufferPlan, createBuffers } from './buffers.ts'
import { createEdgeMetrics, type EdgeMetrics } from './metrics.ts'
import { createPromises, type Promises } from './promises.ts'

/** What one edge hands on to the next when the settings change: counts, what clients were promised, memory that is bounded in all. */
export interface Kept {
  readonly metrics: EdgeMetrics
  readonly admission: Admission
  readonly buffers: Buffers
  readonly promises: Promises
  readonly nextId: ReturnType<typeof createRequestIds>
}

export function createKept(metrics: Metrics, promises = createPromises()): Kept {
  const edge = createEdgeMetrics(metrics)
  const admission = createAdmission(edge.refused)
  metrics.gauge('edge_requests_open', 'Requests being answered', () => admission.open)
  return {
    metrics: edge,
    admission,
    buffers: createBuffers(bufferPlan),
    promises,
    nextId: createRequestIds(),
  }
}
