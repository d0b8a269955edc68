import { Hono } from 'hono'
import type { Metrics } from '../../system/metrics.ts'

export interface HealthDeps {
  readonly metrics: Metrics
  readonly version: string
  readonly isReady: () => boolean
}

/** Is it alive, may it be sent clients, and what does it count. None of these asks an upstream. */
export function healthRoutes({ metrics, version, isReady }: HealthDeps): Hono {
  return new Hono()
    .get('/', (c) =>
      c.text(
        `Forebay ${version}: a caching proxy for container registries. Pull through ${new URL(c.req.url).host}/REGISTRY/NAME.\n`,
      ),
    )
    .get('/healthz', (c) => c.text('ok\n'))
    .get('/readyz', (c) => (isReady() ? c.text('ready\n') : c.text('stopping\n', 503)))
    .get('/metrics', (c) => c.body(metrics.expose(), 200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' }))
}
