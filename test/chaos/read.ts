import { type Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Item } from './contents.ts'

/** What a client does. */
export interface Plan {
  readonly item: Item
  readonly method: 'GET' | 'HEAD'
  /** Bytes from there to there, or to the end; undefined: all of it. */
  readonly range: { readonly start: number; readonly end: number | undefined } | undefined
  readonly leavesAt: number | undefined // bytes
  readonly pauseMs: number // between two chunks
}

export interface Read {
  readonly how: 'right' | 'wrong' | 'cut' | 'refused' | 'odd' | 'late' | 'left' | 'no answer'
  readonly status: number
  readonly bytes: number
  readonly version: number | undefined // of those with these bytes there, the first
  readonly note: string
}

const redirects = new Set([302, 303, 307])
const refusals = new Set([429, 502, 503, 504])

/** Asks, and looks at each byte as it comes. An answer that is `right` ended cleanly with exactly the bytes that it had to have. */
export async function read(url: string, plan: Plan, agent: Agent, patienceMs: number): Promise<Read> {
  const signal = AbortSignal.timeout(patienceMs)
  const none = { status: 0, bytes: 0, version: undefined }
  try {
    const first = await answerTo(url, plan, agent, signal)
    if (!redirects.has(first.statusCode ?? 0)) return await check(first, plan, signal)
    first.resume()
    // As clients of libraries do, which ask there for parts only.
    const { item, range } = plan
    const size = item.versions[item.now]!.length
    const part = { start: range?.start ?? 0, end: range?.end ?? (range === undefined ? size : undefined) }
    const parted = { ...plan, range: part.end === undefined ? { ...part, end: size } : part }
    return await readPart(new URL(first.headers.location ?? '', url).href, parted, agent, signal)
  } catch (error) {
    if (signal.aborted) return { ...none, how: 'late', note: `nothing within ${patienceMs} ms` }
    return { ...none, how: 'no answer', note: (error as NodeJS.ErrnoException).code ?? (error as Error).message }
  }
}

/** Where a part cannot be had any more, there is no answer at all: clients would take the body of one for the part. */
async function readPart(url: string, plan: Plan, agent: Agent, signal: AbortSignal): Promise<Read> {
  try {
    return await check(await answerTo(url, plan, agent, signal), plan, signal)
  } catch (error) {
    if (signal.aborted) throw error
    return { how: 'cut', status: 0, bytes: 0, version: undefined, note: 'before a part' }
  }
}

async function answerTo(url: string, plan: Plan, agent: Agent, signal: AbortSignal, isAgain = false): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const asking = httpRequest(url, { method: plan.method, headers: headersOf(plan), agent, signal }, resolve)
  asking.once('error', reject)
  asking.end()
  try {
    return await promise
  } catch (error) {
    // It was about to be closed when it was taken.
    if (!asking.reusedSocket || isAgain || signal.aborted) throw error
    return answerTo(url, plan, agent, signal, true)
  }
}

function headersOf({ range }: Plan): Record<string, string> {
  return range === undefined ? {} : { range: `bytes=${range.start}-${range.end === undefined ? '' : range.end - 1}` }
}

async function check(message: IncomingMessage, plan: Plan, signal: AbortSignal): Promise<Read> {
  const status = message.statusCode ?? 0
  const { item, method, leavesAt, pauseMs } = plan
  const about = (how: Read['how'], note = '', bytes = 0): Read => ({ how, status, bytes, version: undefined, note })
  if (status !== 200 && status !== 206) {
    message.resume()
    await new Promise<void>((over) => message.once('close', over))
    return about(refusals.has(status) ? 'refused' : 'odd', `${status} ${String(message.headers['cache-status'] ?? '')}`)
  }
  const wanted = item.versions.map((bytes) => expected(bytes, message, plan))
  if (method === 'HEAD') {
    message.resume()
    const { 'content-length': length } = message.headers
    const isTrue = length === undefined || wanted.some((bytes) => bytes?.length === Number(length))
    return about(isTrue ? 'right' : 'wrong', `HEAD says ${length} bytes`)
  }
  const matching = new Set(item.versions.keys().filter((at) => wanted[at] !== undefined))
  let bytes = 0
  let goodTo = 0
  try {
    for await (const chunk of message as AsyncIterable<Buffer>) {
      for (const at of [...matching]) if (!isAt(wanted[at]!, bytes, chunk)) matching.delete(at)
      bytes += chunk.length
      if (matching.size > 0) goodTo = bytes
      if (leavesAt !== undefined && bytes >= leavesAt) {
        message.destroy()
        return about('left', '', bytes)
      }
      if (pauseMs > 0) await sleep(pauseMs)
    }
  } catch (error) {
    if (message.complete) throw error
    return about(signal.aborted ? 'late' : 'cut', `after ${bytes} bytes`, bytes)
  }
  if (!message.complete) return about('cut', `after ${bytes} bytes`, bytes)
  const version = [...matching].find((at) => wanted[at]!.length === bytes)
  const told = `${message.headers['cache-status'] ?? ''} ${message.headers['content-range'] ?? ''}`
  if (version === undefined) return about('wrong', `${bytes} bytes, right for ${goodTo}; ${told}`, bytes)
  return { ...about('right', '', bytes), version }
}

/** Undefined where the answer says what cannot be. */
function expected(bytes: Buffer, { statusCode, headers }: IncomingMessage, { range }: Plan): Buffer | undefined {
  if (statusCode === 200) return bytes
  const [, start = '', last = '', total] = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? []
  const end = Math.min(range?.end ?? bytes.length, bytes.length)
  const isFit = Number(start) === range?.start && Number(last) === end - 1
  return isFit && (total === '*' || Number(total) === bytes.length) ? bytes.subarray(range!.start, end) : undefined
}

function isAt(all: Buffer, position: number, chunk: Buffer): boolean {
  const part = all.subarray(position, position + chunk.length)
  return part.length === chunk.length && part.equals(chunk)
}
