import type { IncomingMessage } from 'node:http'
import { type Context, Hono } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { isFault, toFault } from '../../model/fault.ts'
import { answers, ownFields } from '../answer-fault.ts'
import type { Gate } from '../gate.ts'

/** In the Prometheus text format; of several processes together, where there are. */
export interface Exposing {
  expose(): string | Promise<string>
}

export interface HealthDeps {
  readonly metrics: Exposing
  readonly gate: Pick<Gate, 'demandNetwork' | 'demandAdmin'>
  readonly version: string
  readonly isReady: () => boolean
}

/** Is it alive, may it be sent clients, and what does it count. None of these asks an upstream; the first two ask nobody who it is. */
export function healthRoutes({ metrics, gate, version, isReady }: HealthDeps): Hono {
  const app = new Hono()
    .get('/', (c) => {
      gate.demandNetwork(incomingOf(c))
      return c.text(
        `Forebay ${version}: a caching proxy for container registries. Pull through ${new URL(c.req.url).host}/REGISTRY/NAME.\n`,
      )
    })
    .get('/healthz', (c) => c.text('ok\n'))
    .get('/readyz', (c) => (isReady() ? c.text('ready\n') : c.text('not ready\n', 503)))
    .get('/metrics', async (c) => {
      await gate.demandAdmin(incomingOf(c))
      return c.body(await metrics.expose(), 200, { 'Content-Type': 'text/plain; version=0.0.4; charset=utf-8' })
    })
  app.onError((error, c) => {
    if (!isFault(error)) throw error
    return refusal(c, error)
  })
  return app
}

function incomingOf({ env }: Context): IncomingMessage {
  return (env as { readonly incoming: IncomingMessage }).incoming
}

function refusal(c: Context, error: unknown): Response {
  const fault = toFault(error, c.req.path)
  const fields = ownFields(fault)
  for (let at = 0; at < fields.length; at += 2) c.header(fields[at]!, fields[at + 1]!)
  return c.text(`${fault.message}\n`, answers[fault.code].status as ContentfulStatusCode)
}
