import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import type { ReceiveBuffers } from './receive-buffers.ts'

/** One answer of another server, as it comes in. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /**
   * The body, once. A chunk's bytes are good until the next chunk is asked for. Leaving early ends the connection.
   *
   * @throws what undici or the signal ended it with
   */
  chunks(): AsyncGenerator<Uint8Array, void, undefined>
  /** Reads on to the end so that the connection can be used again, or ends it past `limit` bytes. Never rejects. */
  drain(limit: number): Promise<void>
  /** Ends the connection, unless the body has come in whole. */
  cancel(): void
}

export interface Outgoing {
  readonly url: URL
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  readonly signal: AbortSignal
}

const mostWaiting = 256 * 1024 // bytes that have come in and nobody has taken; then the other side has to wait

/** Settles with the headers. The bytes are handed on as undici has them: no stream in between joins or copies them. */
export function exchange(dispatcher: Dispatcher, { url, signal, ...rest }: Outgoing, buffers: ReceiveBuffers): Promise<Answer> {
  const answered = Promise.withResolvers<Answer>()
  const waiting: Uint8Array[] = []
  let bytes = 0
  let outcome: { readonly error?: unknown } | undefined
  let controller: Dispatcher.DispatchController | undefined
  let wake: (() => void) | undefined

  function end(how: { readonly error?: unknown }): void {
    if (outcome) return
    outcome = how
    signal.removeEventListener('abort', abort)
    answered.reject(how.error)
    wake?.()
  }

  function stop(error: Error): void {
    waiting.length = 0
    end({ error })
    controller?.abort(error)
  }

  const abort = (): void => stop(signal.reason)
  const cancel = (): void => {
    if (!outcome) stop(new Error('the rest of the body is not wanted'))
  }

  async function* chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const chunk = waiting.shift()
        if (chunk) {
          bytes -= chunk.length
          if (controller?.paused && bytes < mostWaiting / 2) controller.resume()
          yield chunk
          buffers.release(chunk)
        } else if (outcome) {
          if ('error' in outcome) throw outcome.error
          return
        } else await new Promise<void>((resolve) => (wake = resolve))
      }
    } finally {
      cancel()
    }
  }

  async function drain(limit: number): Promise<void> {
    let seen = 0
    try {
      for await (const chunk of chunks()) {
        seen += chunk.length
        if (seen > limit) return
      }
    } catch {
      // It was not wanted anyway.
    }
  }

  if (signal.aborted) return Promise.reject(signal.reason)
  signal.addEventListener('abort', abort)
  dispatcher.dispatch(
    { origin: url.origin, path: url.pathname + url.search, ...rest },
    {
      onRequestStart(one) {
        controller = one
        if (outcome) one.abort((outcome.error as Error | undefined) ?? new Error('nobody waits for the answer'))
      },
      onResponseStart(_, status, headers) {
        if (status >= 200) answered.resolve({ status, headers, chunks, drain, cancel })
      },
      onResponseData(one, chunk) {
        if (outcome) return
        waiting.push(chunk)
        bytes += chunk.length
        if (bytes >= mostWaiting) one.pause()
        wake?.()
      },
      onResponseEnd: () => end({}),
      onResponseError: (_, error) => end({ error }),
    },
  )
  return answered.promise
}
