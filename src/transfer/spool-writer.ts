import type { Spool } from '../store/blob-store.ts'

const bufferBytes = 256 * 1024
const mostBuffers = 4 // fewer let the source wait for the disk, measured
const gatherMs = 5

/** Writes a run of chunks to a spool: copied together, one write under way while the next is gathered. */
export interface SpoolWriter {
  /**
   * Has copied the chunk once it returned undefined, or else once the promise settles; then comes the next.
   * Rejects with what a write failed with.
   */
  push(chunk: Uint8Array): Promise<void> | undefined
  /** Settles when all that was pushed is held. @throws Fault 'disk-full', 'disk-failed' */
  drain(): Promise<void>
}

/** `held` is called after each write. */
export function createSpoolWriter(spool: Spool, start: number, held: (start: number, end: number) => void): SpoolWriter {
  const free: Uint8Array[] = []
  let made = 0
  let full: Uint8Array[] = []
  let current: Uint8Array | undefined
  let filled = 0 // bytes of the current one
  let offset = start
  let writing: Promise<void> | undefined
  let failure: { readonly error: unknown } | undefined
  let timer: NodeJS.Timeout | undefined

  function take(): Uint8Array | undefined {
    const buffer = free.pop()
    if (buffer || made >= mostBuffers) return buffer
    made++
    return Buffer.allocUnsafeSlow(bufferBytes)
  }

  async function write(at: number, end: number, buffers: readonly Uint8Array[], chunks: readonly Uint8Array[]): Promise<void> {
    try {
      await spool.write(at, chunks)
      held(at, end)
    } catch (error) {
      failure ??= { error }
    }
    free.push(...buffers)
    writing = undefined
    if (failure) return
    if (full.length > 0) flush()
    if (filled > 0) timer ??= setTimeout(onTimer, gatherMs) // it may have fired in vain meanwhile
  }

  /** Writes the full buffers. */
  function flush(): void {
    const chunks = full
    const at = offset
    offset += chunks.length * bufferBytes
    full = []
    writing = write(at, offset, chunks, chunks)
  }

  /** Writes what there is of a buffer that is not full, when no other is. */
  function flushRest(): void {
    const buffer = current!
    const chunk = buffer.subarray(0, filled)
    const at = offset
    offset += filled
    current = undefined
    filled = 0
    writing = write(at, offset, [buffer], [chunk])
  }

  /** Slow sources: what came is written after a moment, however little. */
  function onTimer(): void {
    timer = undefined
    if (filled > 0 && !writing && !failure) flushRest()
  }

  async function settled(): Promise<void> {
    await writing
    if (failure) throw failure.error
  }

  async function pushLater(chunk: Uint8Array): Promise<void> {
    await settled()
    await push(chunk)
  }

  function push(chunk: Uint8Array): Promise<void> | undefined {
    if (failure) return settled()
    for (let rest = chunk; rest.length > 0; ) {
      current ??= take()
      if (!current) return pushLater(rest)
      const fitting = rest.subarray(0, bufferBytes - filled)
      current.set(fitting, filled)
      filled += fitting.length
      rest = rest.subarray(fitting.length)
      if (filled < bufferBytes) break
      full.push(current)
      current = undefined
      filled = 0
      if (!writing) flush()
    }
    if (filled > 0) timer ??= setTimeout(onTimer, gatherMs)
    return undefined
  }

  return {
    push,
    async drain() {
      while (writing) await settled()
      if (filled > 0 && !failure) flushRest()
      clearTimeout(timer)
      timer = undefined
      await settled()
    },
  }
}
