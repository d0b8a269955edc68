import { errors } from 'undici'
import { Fault } from '../model/fault.ts'
import type { DialSettings } from './dispatchers.ts'
import { redactUrl } from './redact.ts'

/** Wraps what a request failed with before there were headers. */
export function requestFault(url: URL, error: unknown, settings: DialSettings): Fault {
  const blocked = causes(error).find((one) => one instanceof Fault)
  if (blocked instanceof Fault) return blocked
  return (
    timeoutFault(url, error, settings) ??
    new Fault('upstream-unreachable', { url: redactUrl(url), why: whyOf(error) }, { cause: error })
  )
}

/** Wraps what a body ended with before its end. */
export function bodyFault(
  url: URL,
  error: unknown,
  received: number,
  expected: number | undefined,
  settings: DialSettings,
): Fault {
  return (
    timeoutFault(url, error, settings) ?? new Fault('source-cut', { url: redactUrl(url), received, expected }, { cause: error })
  )
}

function timeoutFault(url: URL, error: unknown, settings: DialSettings): Fault | undefined {
  const timeout = (phase: 'connect' | 'headers' | 'body', ms: number) =>
    new Fault('upstream-timeout', { url: redactUrl(url), phase, ms }, { cause: error })
  if (error instanceof errors.ConnectTimeoutError) return timeout('connect', settings.connectTimeoutMs)
  if (error instanceof errors.HeadersTimeoutError) return timeout('headers', settings.headersTimeoutMs)
  if (error instanceof errors.BodyTimeoutError) return timeout('body', settings.idleTimeoutMs)
  return undefined
}

/** The system's or TLS's own short code, as operators know them, else the message. */
function whyOf(error: unknown): string {
  const codes = causes(error).flatMap((one) =>
    one instanceof Error && 'code' in one && typeof one.code === 'string' ? one.code : [],
  )
  return codes.at(-1) ?? (error instanceof Error ? error.message : String(error))
}

function causes(error: unknown): readonly unknown[] {
  const found: unknown[] = []
  for (let one = error; one !== undefined && found.length < 8; one = one instanceof Error ? one.cause : undefined) {
    found.push(one)
    if (one instanceof AggregateError) found.push(...one.errors)
  }
  return found
}
