import type { Logger } from '../system/log.ts'
import type { BlobStore } from './blob-store.ts'
import { spoolStem } from './places.ts'

/** What unfinished fills left on the disk. */
export interface LeftBytes {
  readonly bytes: number
  /** Somebody goes on with what there is of that key, or begins it. The returned function says how much they leave. */
  taken(key: string): (bytes: number) => void
  /** Looks what earlier runs left, and discards what nobody can go on with, or has a reason to. */
  look(): Promise<void>
  /** These bytes came another way. */
  arrived(key: string): Promise<void>
  /** Discards what was left first, until so many bytes are free or nothing is left. */
  discard(bytes: number): Promise<void>
}

export interface LeftBytesDeps {
  readonly spools: Pick<BlobStore, 'leftovers' | 'discard'>
  /** Are the bytes of that key held? */
  readonly isHeld: (key: string) => boolean
  readonly log: Logger
}

export function createLeftBytes({ spools, isHeld, log }: LeftBytesDeps): LeftBytes {
  // By stem: one whose journal is damaged has lost its key.
  const left = new Map<string, number>()
  const users = new Map<string, number>() // one may come before the one before it has quite gone
  let changed = new Set<string>() // since the last look began
  let bytes = 0

  function set(stem: string, now: number): void {
    bytes += now - (left.get(stem) ?? 0)
    left.delete(stem)
    if (now > 0) left.set(stem, now)
  }

  function leave(stem: string, now: number): void {
    const others = users.get(stem)! - 1
    changed.add(stem)
    if (others > 0) return void users.set(stem, others)
    users.delete(stem)
    set(stem, now)
  }

  async function drop(stem: string): Promise<void> {
    await spools.discard(stem).catch((error) => log.error('store.evict', { spool: stem, error }))
    changed.add(stem)
    if (!users.has(stem)) set(stem, 0)
  }

  return {
    get bytes() {
      return bytes
    },
    taken(key) {
      const stem = stemOf(key)
      let isOver = false
      users.set(stem, (users.get(stem) ?? 0) + 1)
      changed.add(stem)
      set(stem, 0)
      return (now) => {
        if (!isOver) leave(stem, now)
        isOver = true
      }
    },
    async look() {
      const since = new Set<string>()
      changed = since
      const found = []
      for await (const leftover of spools.leftovers()) found.push({ ...leftover, stem: stemOf(leftover.key) })
      found.sort((a, b) => a.changedAt - b.changedAt)
      const there = new Set(found.map(({ stem }) => stem))
      for (const stem of [...left.keys()]) if (!since.has(stem) && !there.has(stem)) set(stem, 0)
      const isAsFound = (stem: string) => !since.has(stem) && !users.has(stem)
      for (const { stem, bytes: now } of found) if (isAsFound(stem)) set(stem, now)
      // Without its journal it has lost its key, and is begun anew.
      for (const { key, stem } of found) if ((key === stem || isHeld(key)) && isAsFound(stem)) await drop(stem)
    },
    async arrived(key) {
      const stem = spoolStem(key)
      if (!users.has(stem)) await drop(stem) // whether it is known here or not: what could not be opened is not
    },
    async discard(wanted) {
      const before = bytes
      for (const stem of [...left.keys()]) {
        if (before - bytes >= wanted) return
        await drop(stem)
      }
    },
  }
}

function stemOf(key: string): string {
  return /^[0-9a-f]{64}$/.test(key) ? key : spoolStem(key)
}
