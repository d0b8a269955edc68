import { Fault } from '../model/fault.ts'
import type { Exchange } from './exchange.ts'
import type { Refusal } from './metrics.ts'

export interface RequestLimits {
  readonly requests: number // being answered at once
  readonly requestsPerClient?: number | undefined // undefined: any number
  readonly urlLength: number // bytes
}

/** Counts the requests that are being answered, also those that were admitted under earlier limits. */
export interface Admission {
  /** What it is refused with; undefined: it is counted until it leaves. */
  enter(exchange: Exchange, limits: RequestLimits): Fault | undefined
  leave(exchange: Exchange): void
  readonly open: number
}

const retryAfterMs = 2_000

export function createAdmission(refused: (reason: Refusal) => void): Admission {
  const ofClient = new Map<string, number>()
  const counted = new WeakMap<Exchange, string>()
  let open = 0

  function refusal(exchange: Exchange, { requests, requestsPerClient, urlLength }: RequestLimits): Fault | undefined {
    if ((exchange.incoming.url?.length ?? 0) > urlLength) {
      refused('url-length')
      return new Fault('url-too-long', { limit: urlLength })
    }
    if (open >= requests) {
      refused('requests')
      return new Fault('overloaded', { what: `${requests} requests are being answered`, retryAfterMs })
    }
    if (requestsPerClient === undefined || (ofClient.get(exchange.client) ?? 0) < requestsPerClient) return undefined
    refused('client-requests')
    const what = `${requestsPerClient} requests of ${exchange.client} are being answered`
    return new Fault('client-limited', { what, retryAfterMs })
  }

  return {
    enter(exchange, limits) {
      const fault = refusal(exchange, limits)
      if (fault) return fault
      open++
      exchange.isAdmitted = true
      if (limits.requestsPerClient === undefined) return undefined
      counted.set(exchange, exchange.client)
      ofClient.set(exchange.client, (ofClient.get(exchange.client) ?? 0) + 1)
      return undefined
    },
    leave(exchange) {
      if (!exchange.isAdmitted) return
      open--
      const client = ofClient.size > 0 ? counted.get(exchange) : undefined
      if (client === undefined) return
      const left = ofClient.get(client)! - 1
      if (left > 0) ofClient.set(client, left)
      else ofClient.delete(client)
    },
    get open() {
      return open
    },
  }
}
