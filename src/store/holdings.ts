import type { BlobId } from '../model/digest.ts'
import { pieceCount, pieceHashBytes, pieceLengthFor } from '../model/pieces.ts'

/** What a blob takes on disk with all that lies beside it, and when it was last used. */
export interface Holding {
  readonly id: BlobId
  readonly bytes: number
  readonly usedAt: number // epoch ms
}

/** What a store holds, in the order of last use: kept in memory, so that the disk need not be asked what may go first. */
export interface Holdings {
  readonly bytes: number
  readonly blobs: number
  get(id: BlobId): Holding | undefined
  /** It came, or takes another number of bytes now. */
  put(holding: Holding): void
  touch(id: BlobId, at: number): void
  remove(id: BlobId): void
  /** Least recently used first. May be changed while it is walked. */
  oldest(): Iterable<Holding>
  /** Begins a look at the disk, which takes a while. */
  look(): Look
}

export interface Look {
  /** All that was found: what came or went since the look began is known better here. */
  found(all: readonly Holding[]): void
  /** Call it however the look ended. */
  end(): void
}

const sidecarBytes = 2 * 4096 // a facts file, and what a folder entry and a signature take

/** What a blob of that size takes, with what lies beside it. */
export function takenBy(size: number): number {
  const length = pieceLengthFor(size)
  return size + sidecarBytes + (length === undefined ? 0 : pieceCount(size, length) * pieceHashBytes)
}

export function createHoldings(): Holdings {
  let held = new Map<BlobId, Holding>() // in the order of use
  let bytes = 0
  const looks = new Set<Set<BlobId>>() // each with what came or went since it began

  function set(holding: Holding): void {
    bytes += holding.bytes - (held.get(holding.id)?.bytes ?? 0)
    held.set(holding.id, holding)
  }

  function drop(id: BlobId): void {
    bytes -= held.get(id)?.bytes ?? 0
    held.delete(id)
  }

  function toEnd(holding: Holding): void {
    drop(holding.id)
    set(holding)
  }

  function changed(id: BlobId): void {
    for (const since of looks) since.add(id)
  }

  function found(onDisk: ReadonlyMap<BlobId, Holding>, changed: ReadonlySet<BlobId>): void {
    for (const id of held.keys()) if (!changed.has(id) && !onDisk.has(id)) drop(id)
    let isOrdered = true
    for (const holding of onDisk.values()) {
      if (changed.has(holding.id)) continue
      const known = held.get(holding.id)
      isOrdered &&= known !== undefined
      set({ ...holding, usedAt: Math.max(holding.usedAt, known?.usedAt ?? 0) })
    }
    if (!isOrdered) held = new Map([...held].sort(([, a], [, b]) => a.usedAt - b.usedAt))
  }

  return {
    get bytes() {
      return bytes
    },
    get blobs() {
      return held.size
    },
    get: (id) => held.get(id),
    put(holding) {
      toEnd(holding)
      changed(holding.id)
    },
    touch(id, at) {
      const known = held.get(id)
      if (known) toEnd({ ...known, usedAt: Math.max(known.usedAt, at) })
    },
    remove(id) {
      drop(id)
      changed(id)
    },
    oldest: () => held.values(),
    look() {
      const since = new Set<BlobId>()
      looks.add(since)
      return {
        found: (all) => found(new Map(all.map((holding) => [holding.id, holding])), since),
        end: () => void looks.delete(since),
      }
    },
  }
}
