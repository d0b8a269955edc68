import type { ByteSource, Lent, Located } from '../model/byte-source.ts'
import { Fault } from '../model/fault.ts'
import type { ByteRange } from '../model/range.ts'

const enough = 64 * 1024 // small preads and small writes cost most, so a reader waits for this much, or
const patienceMs = 10 // for this long

/** What readers see of a fill. `end` is where the bytes around `position` end that may be shown. */
export interface View {
  readonly size: number | undefined
  /** The digest agreed: the end is the end. */
  readonly isWhole: boolean
  end(position: number): number
  read(into: Uint8Array, position: number): Promise<number>
  borrow(position: number, end: number): Promise<Lent | undefined>
  locate(position: number, count: number): Promise<Located | undefined>
}

/** Everybody who reads a fill while it runs. */
export interface Readers {
  readonly count: number
  /** What each reader still wants: from where it is to where it will read. */
  readonly interests: readonly Interest[]
  join(): ByteSource
  /** Bytes came in, or the digest agreed: lets go whoever has enough now. */
  wake(): void
  /** Ends those who were given bytes already; with 'all', everybody. */
  fail(fault: Fault, whom: 'fed' | 'all'): void
}

export interface Interest extends ByteRange {
  readonly isWaiting: boolean // for bytes that are not there
}

interface Reader {
  position: number
  end: number
  isFed: boolean
  fault: Fault | undefined
  wantedEnd: number // absolute position at which a waiting reader is let go
  resolve: (() => void) | undefined
}

/** `changed` is called when a reader begins to wait where nothing is to be seen yet, or leaves. */
export function createReaders(view: View, changed: () => void): Readers {
  const readers = new Set<Reader>()
  let timer: NodeJS.Timeout | undefined

  /** Lets readers go that have waited `patienceMs` with something, if little, to read. */
  function impatient(): void {
    timer = undefined
    for (const reader of readers) if (reader.resolve && view.end(reader.position) > reader.position) release(reader)
  }

  function release(reader: Reader): void {
    const resolve = reader.resolve
    reader.resolve = undefined
    resolve?.()
  }

  function isReady(reader: Reader): boolean {
    const end = view.end(reader.position)
    if (end >= reader.wantedEnd || reader.fault || view.isWhole) return true
    if (end > reader.position && timer === undefined) timer = setTimeout(impatient, patienceMs)
    return false
  }

  function wait(reader: Reader, length: number): Promise<void> {
    const rest = Math.min(reader.end, view.size ?? Number.POSITIVE_INFINITY) - reader.position
    // The last byte of all waits for the digest; whoever is so far must not wait for it to send the others.
    reader.wantedEnd = reader.position + Math.max(1, Math.min(enough, length, rest - (reader.end >= (view.size ?? 0) ? 1 : 0)))
    return new Promise((resolve) => {
      reader.resolve = resolve
      if (isReady(reader)) return release(reader)
      if (view.end(reader.position) <= reader.position) changed()
    })
  }

  /** Waits for bytes at `position`, and returns how many of `length` may be read now; 0 at the end. */
  async function ready(reader: Reader, length: number, position: number, signal: AbortSignal): Promise<number> {
    reader.position = position
    for (let hasWaited = false; ; hasWaited = true) {
      signal.throwIfAborted()
      if (reader.fault) throw reader.fault
      const count = Math.min(view.end(position) - position, length)
      if (count >= Math.min(enough, length) || (count > 0 && (hasWaited || view.isWhole))) {
        reader.isFed = true
        return count
      }
      if (view.isWhole) return 0
      await wait(reader, length)
    }
  }

  async function read(reader: Reader, into: Uint8Array, position: number, signal: AbortSignal): Promise<number> {
    for (let isAgain = false; ; isAgain = true) {
      const count = await ready(reader, into.length, position, signal)
      if (count === 0) return 0
      const got = await view.read(count < into.length ? into.subarray(0, count) : into, position)
      if (got > 0) return got
      // Forgotten just before they were read. None would look like the end of the blob.
      if (isAgain) throw new Fault('internal', { what: `a read of bytes from ${position}, which are said to be there` })
    }
  }

  async function borrow(reader: Reader, most: number, position: number, signal: AbortSignal): Promise<Lent | undefined> {
    if (readers.size < 2) return undefined
    const count = await ready(reader, most, position, signal)
    const lent = count === 0 ? undefined : await view.borrow(position, position + count)
    if (lent?.bytes.length !== 0) return lent
    lent.release()
    return undefined
  }

  return {
    get count() {
      return readers.size
    },
    get interests() {
      return [...readers].map(({ position, end, resolve }) => ({ start: position, end, isWaiting: resolve !== undefined }))
    },
    join() {
      const reader: Reader = {
        position: 0,
        end: Number.POSITIVE_INFINITY,
        isFed: false,
        fault: undefined,
        wantedEnd: 0,
        resolve: undefined,
      }
      readers.add(reader)
      let listening: AbortSignal | undefined
      const onAbort = () => release(reader)

      /** One listener for the life of a reader: a promise with a listener of its own costs many times as much. */
      function listen(signal: AbortSignal): void {
        if (signal === listening) return
        listening?.removeEventListener('abort', onAbort)
        signal.addEventListener('abort', onAbort)
        listening = signal
      }

      return {
        get size() {
          return view.size
        },
        aim(start, end) {
          reader.position = start
          reader.end = end
        },
        read(into, position, signal) {
          listen(signal)
          return read(reader, into, position, signal)
        },
        borrow(position, most, signal) {
          listen(signal)
          return borrow(reader, most, position, signal)
        },
        async locate(position, most, signal) {
          listen(signal)
          return view.locate(position, await ready(reader, most, position, signal))
        },
        async [Symbol.asyncDispose]() {
          listening?.removeEventListener('abort', onAbort)
          listening = undefined
          if (!readers.delete(reader)) return
          release(reader)
          changed()
        },
      }
    },
    wake() {
      for (const reader of readers) if (reader.resolve && isReady(reader)) release(reader)
    },
    fail(fault, whom) {
      for (const reader of readers) {
        if (whom === 'fed' && !reader.isFed) continue
        reader.fault = fault
        release(reader)
      }
    },
  }
}
