import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Latch } from './gates.ts'
import type { Fault } from './rules.ts'

const step = 64 * 1024
const paceStepMs = 4
const hangUps = new Set(['ECANCELED', 'ECONNRESET', 'EPIPE']) // known before `close` is

export interface Body {
  readonly bytes: Uint8Array
  readonly fault: Fault
  readonly latch: Latch | undefined
  readonly counted: (bytes: number) => void
}

/** Sends a body with all that is wrong with it. Settles when the answer is over or the client has gone. */
export async function sendBody(response: ServerResponse, { bytes, fault, latch, counted }: Body): Promise<void> {
  const gone = AbortSignal.any([closed(response)])
  const startedAt = performance.now()
  let sent = 0

  /** Where the next pause, cut or permission ends. */
  async function nextStop(): Promise<number> {
    let stop = bytes.length
    if (latch) stop = Math.min(stop, await orGone(latch.mayGo(sent), gone))
    if (fault.cutAfter !== undefined) stop = Math.min(stop, fault.cutAfter)
    if (fault.stallAfter !== undefined && sent < fault.stallAfter) stop = Math.min(stop, fault.stallAfter)
    return Math.min(stop, sent + (await paced()))
  }

  /** How many bytes the pace allows now; small steps, so that it is smooth. */
  async function paced(): Promise<number> {
    if (fault.drip) {
      if (sent > 0) await sleep(fault.drip.everyMs, undefined, { signal: gone })
      return fault.drip.bytes
    }
    const perSecond = fault.bytesPerSecond
    if (!perSecond) return step
    for (;;) {
      const due = Math.floor(((performance.now() - startedAt) * perSecond) / 1000) - sent
      if (due >= Math.min(Math.ceil((perSecond * paceStepMs) / 1000), bytes.length - sent)) return Math.min(due, step * 4)
      await sleep(paceStepMs, undefined, { signal: gone })
    }
  }

  try {
    for (;;) {
      if (sent === fault.cutAfter) return void response.destroy()
      if (sent === fault.stallAfter) await sleep(fault.stallMs ?? 600_000, undefined, { signal: gone })
      if (sent >= bytes.length) break
      const stop = await nextStop()
      await write(response, bytes.subarray(sent, stop), gone)
      counted(stop - sent)
      sent = stop
      latch?.tell(sent)
    }
    if (fault.lengthBy && fault.lengthBy > 0) return void response.destroy()
    await orGone(new Promise<void>((done) => response.end(done)), gone)
    if (fault.lengthBy) response.destroy()
  } catch (error) {
    if (!gone.aborted && !hangUps.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

/** Waits for the kernel, so that what is counted was really handed over and a cut loses nothing before it. */
function write(response: ServerResponse, chunk: Uint8Array, gone: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  response.write(chunk, (error) => (error ? reject(error) : resolve()))
  return orGone(promise, gone)
}

function closed(response: ServerResponse): AbortSignal {
  const control = new AbortController()
  if (response.destroyed) control.abort()
  response.once('close', () => control.abort())
  return control.signal
}

export async function orGone<T>(promise: Promise<T>, gone: AbortSignal): Promise<T> {
  gone.throwIfAborted()
  const { promise: left, reject } = Promise.withResolvers<never>()
  const leave = () => reject(gone.reason)
  gone.addEventListener('abort', leave, { once: true })
  try {
    return await Promise.race([promise, left])
  } finally {
    gone.removeEventListener('abort', leave)
  }
}
