import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { parseRange, printContentRange, satisfy } from '../../../src/model/range.ts'
import type { Latch } from './gates.ts'
import type { RecordedRequest } from './record.ts'
import type { Fault } from './rules.ts'
import { sendBody } from './send-body.ts'

/** What a well-behaved registry would answer. */
export interface Answer {
  readonly status: number
  readonly headers: OutgoingHttpHeaders
  readonly bytes: Uint8Array
  /** A blob: Range is honoured. */
  readonly ranged?: boolean
}

export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly record: RecordedRequest
  readonly fault: Fault
  readonly latch: Latch | undefined
}

export function errorAnswer(status: number, code: string, headers: OutgoingHttpHeaders = {}): Answer {
  const bytes = Buffer.from(JSON.stringify({ errors: [{ code, message: `fake upstream says ${code}` }] }))
  return { status, headers: { 'content-type': 'application/json', ...headers }, bytes }
}

/** Sends the answer as the fault bends it. */
export async function send(answer: () => Answer, exchange: Exchange): Promise<void> {
  const { request, response, record, fault, latch } = exchange
  latch?.arrive()
  if (fault.reset) return void response.destroy()
  if (fault.stall !== undefined) await stall(response, fault.stall)
  if (latch) await Promise.race([latch.headersMayGo(), gone(response)])
  if (response.destroyed) return
  try {
    const bent = bend(answer(), request, fault)
    record.status = bent.status
    if (fault.length === 'close') response.useChunkedEncodingByDefault = false
    response.writeHead(bent.status, bent.headers)
    if (request.method === 'HEAD' || bent.status === 304) return void response.end()
    response.flushHeaders()
    await sendBody(response, { bytes: bent.bytes, fault, latch, counted: (bytes) => (record.bodyBytesSent += bytes) })
  } finally {
    fault.afterwards?.()
  }
}

function bend(right: Answer, request: IncomingMessage, fault: Fault): Answer {
  if (fault.status !== undefined || fault.body !== undefined) return replaced(right, fault)
  const cut = right.ranged && !fault.ignoreRange ? cutOut(right.bytes, request, right.headers) : undefined
  let { status, bytes } = cut ?? right
  bytes = flip(bytes, cut?.start ?? 0, fault.flipAt)
  const headers: OutgoingHttpHeaders = { ...right.headers, ...cut?.headers }
  if (fault.etag !== undefined) headers.etag = fault.etag
  if (fault.contentRange !== undefined && status === 206) headers['content-range'] = fault.contentRange
  if (fault.total !== undefined && status === 206)
    headers['content-range'] = String(headers['content-range']).replace(/\/.*$/, `/${fault.total}`)
  if (fault.gzip) {
    bytes = gzipSync(bytes)
    headers['content-encoding'] = 'gzip'
  }
  if (status !== 304 && fault.length === undefined) headers['content-length'] = bytes.length + (fault.lengthBy ?? 0)
  return { status, bytes, headers: merge(headers, fault.headers) }
}

function replaced(right: Answer, fault: Fault): Answer {
  const bytes = Buffer.from(fault.body ?? (fault.status !== undefined ? '' : right.bytes))
  const headers = fault.status === undefined ? right.headers : {}
  return {
    status: fault.status ?? right.status,
    bytes,
    headers: merge({ ...headers, ...(fault.length === undefined && { 'content-length': bytes.length }) }, fault.headers),
  }
}

interface CutOut extends Answer {
  readonly start: number
}

function cutOut(bytes: Uint8Array, request: IncomingMessage, headers: OutgoingHttpHeaders): CutOut | undefined {
  const validator = request.headers['if-range']
  const isSame = [headers.etag, headers['last-modified']].some((own) => own === validator)
  if (validator !== undefined && !isSame) return undefined
  const spec = parseRange(request.headers.range)?.[0]
  if (!spec) return undefined
  const range = satisfy(spec, bytes.length)
  if (!range) return { status: 416, start: 0, bytes: new Uint8Array(), headers: { 'content-range': `bytes */${bytes.length}` } }
  return {
    status: 206,
    start: range.start,
    bytes: bytes.subarray(range.start, range.end),
    headers: { 'content-range': printContentRange(range, bytes.length) },
  }
}

/** One byte wrong, where the body, which begins at `start` in the blob, holds it. */
function flip(bytes: Uint8Array, start: number, flipAt: Fault['flipAt']): Uint8Array {
  if (flipAt === undefined) return bytes
  const at = (typeof flipAt === 'number' ? flipAt : flipAt(start)) - start
  if (at < 0 || at >= bytes.length) return bytes
  const wrong = Buffer.from(bytes)
  wrong[at] = wrong[at]! ^ 0xff
  return wrong
}

/** Undefined takes a header away. */
function merge(headers: OutgoingHttpHeaders, over: Fault['headers']): OutgoingHttpHeaders {
  const merged: OutgoingHttpHeaders = { ...headers }
  for (const [name, value] of Object.entries(over ?? {})) {
    if (value === undefined) delete merged[name.toLowerCase()]
    else merged[name.toLowerCase()] = typeof value === 'string' ? value : [...value]
  }
  return merged
}

async function stall(response: ServerResponse, ms: number | 'for ever'): Promise<void> {
  const control = new AbortController()
  response.once('close', () => control.abort())
  await sleep(ms === 'for ever' ? 600_000 : ms, undefined, { signal: control.signal }).catch(() => {})
}

function gone(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => response.once('close', () => resolve()))
}
