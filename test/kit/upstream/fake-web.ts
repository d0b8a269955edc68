import type { IncomingMessage } from 'node:http'
import { type Answer, send } from './answer.ts'
import { createLatch, type Gate, type Latch } from './gates.ts'
import { type Listener, listen } from './listener.ts'
import { createRecords, type RecordedRequest } from './record.ts'
import { createRules, type Deal, type Fault, type Place, type Rule, type Where } from './rules.ts'

export interface WebRequest {
  readonly on: Place
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
}

/** Two web servers on loopback, a registry and where its files are, that a test watches and spoils. */
export interface FakeWeb extends AsyncDisposable {
  readonly url: string // of the registry
  readonly host: string // with port
  readonly files: { readonly url: string; readonly host: string }
  readonly requests: readonly RecordedRequest[]
  fault(where: Where, what: Fault): Rule<Fault>
  /** Everything behaves again. Gates stay. */
  heal(): void
  hold(where: Where): Gate
  /** How many requests fit, of any method unless given. */
  count(where: Pick<Where, 'path' | 'method' | 'on'>): number
  /** How many GETs of the file servers sent bytes of a body. */
  readonly bodies: number
  /** Settles when nothing is being answered. */
  quiet(): Promise<void>
  /** Refuses connections until `reopen`. */
  refuse(): Promise<void>
  reopen(): Promise<void>
}

export async function createFakeWeb(answer: (request: WebRequest) => Answer, deal?: Deal): Promise<FakeWeb> {
  const records = createRecords()
  const faults = createRules<Fault>()
  const latches = createRules<Latch>()

  const open = (on: Place): Promise<Listener> =>
    listen(async (request, response) => {
      const record = records.begin(request, response, on)
      const { method, path, query, headers } = record
      await send(() => answer({ on, method, path, query, headers }), {
        request,
        response,
        record,
        fault: faults.take(request, path, on) ?? deal?.(record) ?? {},
        latch: latches.take(request, path, on),
      })
    })
  const [registry, files] = [await open('registry'), await open('cdn')]
  const both = (work: (one: Listener) => Promise<void>) => Promise.all([registry, files].map(work)).then(() => {})

  return {
    url: `http://${registry.host}`,
    host: registry.host,
    files: { url: `http://${files.host}`, host: files.host },
    requests: records.requests,
    fault: (where, what) => faults.add(where, what),
    heal: () => faults.clear(),
    hold(where) {
      const latch = createLatch()
      latches.add(where, latch)
      return latch.gate
    },
    count(where) {
      const rules = createRules<true>()
      rules.add(where, true)
      return records.requests.filter((request) => rules.take(request, request.path, request.on)).length
    },
    get bodies() {
      return records.requests.filter(({ on, method, bodyBytesSent }) => on === 'cdn' && method === 'GET' && bodyBytesSent > 1)
        .length
    },
    quiet: records.quiet,
    refuse: () => both((one) => one.refuse()),
    reopen: () => both((one) => one.reopen()),
    [Symbol.asyncDispose]: () => both((one) => one.close()),
  }
}

export function jsonAnswer(value: unknown, status = 200): Answer {
  return { status, headers: { 'content-type': 'application/json' }, bytes: Buffer.from(JSON.stringify(value)) }
}

export function redirectTo(location: string, status = 302): Answer {
  return { status, headers: { location, 'content-type': 'text/html' }, bytes: Buffer.from('<a href="moved">moved</a>') }
}

export function page(status: number, text: string): Answer {
  return { status, headers: { 'content-type': 'text/html; charset=utf-8' }, bytes: Buffer.from(`<html>${text}</html>`) }
}
