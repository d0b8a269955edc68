import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Counts what a listener of this process is answering at the moment. */
export interface OpenRequests {
  /** Settles once so many are open at once. */
  open(count: number): Promise<void>
  end(): void
}

interface Started {
  readonly request: IncomingMessage
  readonly response: ServerResponse
}

const channel = 'http.server.request.start'

export function watchRequests(port: number): OpenRequests {
  let open = 0
  let waiting: { readonly count: number; readonly go: () => void }[] = []

  function onStart(message: unknown): void {
    const { request, response } = message as Started
    if (request.socket.localPort !== port) return
    open++
    response.once('close', () => open--)
    const due = waiting.filter(({ count }) => open >= count)
    waiting = waiting.filter((one) => !due.includes(one))
    for (const { go } of due) go()
  }

  subscribe(channel, onStart)
  return {
    open(count) {
      if (open >= count) return Promise.resolve()
      const { promise, resolve } = Promise.withResolvers<void>()
      waiting.push({ count, go: resolve })
      return promise
    },
    end: () => void unsubscribe(channel, onStart),
  }
}
