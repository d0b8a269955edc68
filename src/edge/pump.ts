import type { ServerResponse } from 'node:http'
import type { ByteSource, Lent } from '../model/byte-source.ts'
import { Fault } from '../model/fault.ts'
import { type Buffers, small } from './buffers.ts'
import type { Exchange } from './exchange.ts'
import type { Pace } from './pace.ts'

const usual = 1024 * 1024 // bytes handed over at once where they are shared
const slowMs = 600 // for so much to drain: a client slower than this gets by with a small buffer
const quickMs = 5 // for 64 KiB
const quickParts = 64 // in a row: a slow client that catches up after a pause is not a quick one

/** Sends bytes of sources to clients, at the pace of each. */
export interface Pump {
  /**
   * Sends the range; without an end, all there is. Settles when the last byte has been handed to the socket.
   *
   * @throws Fault of the source, 'cancelled' when the client has gone
   */
  send(exchange: Exchange, bytes: ByteSource, range: { readonly start: number; readonly end?: number }): Promise<void>
  /** Clients are sent no more than so much a second: then nothing large may go another way. */
  readonly isPaced: boolean
}

/**
 * One buffer is filled while the other drains. Both belong to the kernel in turn, so each is used again only when its
 * read has settled or its write has called back. Who drains slowly has one small buffer, so that many slow readers
 * hold little memory. Where many read the same at once, the bytes come from memory that they share.
 */
export function createPump(buffers: Buffers, sent: (bytes: number) => void, pace?: Pace): Pump {
  const most = pace?.most ?? usual

  async function send(exchange: Exchange, bytes: ByteSource, range: { start: number; end?: number }): Promise<void> {
    const { outgoing, signal } = exchange
    const end = range.end ?? Number.POSITIVE_INFINITY
    bytes.aim?.(range.start, end)
    const turn: Turn = { position: range.start, end, isOver: range.start >= end }
    while (!turn.isOver) {
      await withTwo(exchange, bytes, turn)
      if (!turn.isOver) await withOne(exchange, bytes, turn)
    }
    if (range.end !== undefined && turn.position < range.end)
      throw new Fault('internal', { what: `a body ended at ${turn.position} of ${range.end} bytes` })
    if (outgoing.destroyed) signal.throwIfAborted()
  }

  /** Until the end, or until the client turns out to be slow. */
  async function withTwo(exchange: Exchange, bytes: ByteSource, turn: Turn) {
    const pair: Uint8Array[] = [] // made when it is needed: what is shared needs none
    let draining: Promise<void> = Promise.resolve()
    let writtenAt = 0
    let drainMs = 0
    const noteDrain = () => {
      drainMs = performance.now() - writtenAt
    }
    try {
      for (let which = 0; !turn.isOver; which ^= 1) {
        if (pace) await pace.turn(exchange)
        const lent = await borrowNext(exchange, bytes, turn, most)
        if (!lent) pair[which] ??= buffers.take()
        const part = lent ? lent.bytes : await readNext(exchange, bytes, turn, pair[which]!)
        await draining
        if (hasGone(exchange)) {
          lent?.release()
          throw gone(exchange)
        }
        if (part.length > 0) {
          writtenAt = performance.now()
          draining = write(exchange, part).then(() => {
            noteDrain()
            lent?.release()
          })
        }
        // A body whose source is slow is not a slow client: only draining counts.
        if (drainMs > (slowMs * part.length) / usual && part.length > small) return
      }
    } finally {
      // Not awaited: when the source has failed, a client that has stopped reading must not keep us from cutting it.
      void draining.then(() => {
        for (const buffer of pair) if (buffer) buffers.give(buffer)
      })
    }
  }

  /** Until the end, or until the client keeps up. */
  async function withOne(exchange: Exchange, bytes: ByteSource, turn: Turn) {
    let buffer: Uint8Array | undefined
    let quick = 0
    try {
      while (!turn.isOver && quick < quickParts) {
        if (pace) await pace.turn(exchange)
        const lent = await borrowNext(exchange, bytes, turn, Math.min(small, most))
        buffer ??= lent ? undefined : buffers.takeSmall()
        const part = lent ? lent.bytes : await readNext(exchange, bytes, turn, buffer!)
        try {
          if (hasGone(exchange)) throw gone(exchange)
          if (part.length === 0) continue
          const writtenAt = performance.now()
          await write(exchange, part)
          quick = performance.now() - writtenAt < quickMs ? quick + 1 : 0
        } finally {
          lent?.release()
        }
      }
    } finally {
      if (buffer) buffers.give(buffer)
    }
  }

  async function borrowNext({ signal }: Exchange, bytes: ByteSource, turn: Turn, most: number): Promise<Lent | undefined> {
    const lent = bytes.borrow && (await bytes.borrow(turn.position, Math.min(most, turn.end - turn.position), signal))
    if (!lent) return undefined
    turn.position += lent.bytes.length
    turn.isOver = turn.position >= turn.end
    return lent
  }

  async function readNext({ signal }: Exchange, bytes: ByteSource, turn: Turn, into: Uint8Array): Promise<Uint8Array> {
    const wanted = Math.min(into.length, turn.end - turn.position, most)
    const count = await bytes.read(wanted === into.length ? into : into.subarray(0, wanted), turn.position, signal)
    turn.position += count
    turn.isOver = count === 0 || turn.position >= turn.end
    return count === into.length ? into : into.subarray(0, count)
  }

  /** Settles when the socket no longer needs the chunk, sent or not: who goes on notices by the signal, or by `hasGone`. */
  function write(exchange: Exchange, chunk: Uint8Array): Promise<void> {
    const { outgoing } = exchange
    exchange.firstByteAt ??= performance.now()
    exchange.sent += chunk.length
    sent(chunk.length)
    pace?.spend(exchange.client, chunk.length)
    if (!outgoing.socket) return writeInTurn(exchange, chunk)
    return new Promise((resolve) => void outgoing.write(chunk, () => resolve()))
  }

  return { send, isPaced: pace !== undefined }
}

/** An answer that waits behind another on its connection: nobody calls back when that ends before its turn comes. */
function writeInTurn({ incoming, outgoing }: Exchange, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      incoming.socket.off('close', settle)
      resolve()
    }
    incoming.socket.once('close', settle)
    outgoing.write(chunk, settle)
  })
}

/** Between the end of a connection and the news of it, Node takes chunks and never calls back. */
function hasGone({ incoming }: Exchange): boolean {
  return !incoming.socket.writable
}

function gone({ outgoing, requestId }: Exchange): Fault {
  outgoing.destroy()
  return new Fault('cancelled', { what: `request ${requestId}, whose client has gone,` })
}

interface Turn {
  position: number
  readonly end: number
  isOver: boolean
}

/**
 * Ends the connection so that nobody can take what was sent for all there is. What was sent before still arrives, and
 * may be built upon by a client that resumes; but an HTTP/1.0 body of unknown length ends with its connection, so that
 * only a reset tells.
 */
export function cut(outgoing: ServerResponse): void {
  if (outgoing.req.httpVersion === '1.0') outgoing.socket?.resetAndDestroy()
  outgoing.destroy()
}
