import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import type { Place } from './rules.ts'

/** A request as the fake upstream saw it. `status` is 0 until headers went out. */
export interface RecordedRequest {
  readonly on: Place
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingHttpHeaders
  readonly at: number // epoch ms
  status: number
  bodyBytesSent: number
  isOver: boolean // answered whole, cut, or left by the client
}

export interface Records {
  readonly requests: RecordedRequest[]
  begin(request: IncomingMessage, response: ServerResponse, on: Place): RecordedRequest
  /** Settles when as many requests as asked fit. */
  seen(fits: (request: RecordedRequest) => boolean, count?: number): Promise<void>
  /** Settles when none is being answered. */
  quiet(): Promise<void>
}

export function createRecords(): Records {
  const requests: RecordedRequest[] = []
  let waiting: { readonly isDue: () => boolean; readonly go: () => void }[] = []

  function changed(): void {
    const due = waiting.filter(({ isDue }) => isDue())
    waiting = waiting.filter((one) => !due.includes(one))
    for (const { go } of due) go()
  }

  function until(isDue: () => boolean): Promise<void> {
    if (isDue()) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    waiting.push({ isDue, go: resolve })
    return promise
  }

  return {
    requests,
    begin(request, response, on) {
      const url = new URL(request.url ?? '/', 'http://upstream.invalid')
      const record: RecordedRequest = {
        on,
        method: request.method ?? '',
        path: url.pathname,
        query: url.searchParams,
        headers: request.headers,
        at: Date.now(),
        status: 0,
        bodyBytesSent: 0,
        isOver: false,
      }
      requests.push(record)
      response.once('close', () => {
        record.isOver = true
        changed()
      })
      changed()
      return record
    },
    seen: (fits, count = 1) => until(() => requests.filter(fits).length >= count),
    quiet: () => until(() => requests.every(({ isOver }) => isOver)),
  }
}
