import type { Spool, SpoolNote } from './blob-store.ts'
import type { Reservation } from './room.ts'

const step = 4 * 1024 * 1024 // bytes that a spool of unknown size takes at a time

/**
 * A spool that writes into space reserved for it, takes more where it needs more, and gives it back at its end. `ended` is
 * told once how many bytes stay on the disk as a leftover.
 */
export function spaced(spool: Spool, reservation: Reservation, ended: (left: number) => void): Spool {
  let { size } = spool.noted
  let growing: Promise<void> = Promise.resolve()

  /** One after the other: several writers that grow it at once would each take what one of them needs. */
  function takeUpTo(end: number): Promise<void> {
    const turn = growing.then(async () => {
      const wanted = end > reservation.bytes ? Math.max(end, size ?? end + step) - reservation.bytes : 0
      if (wanted > 0) await reservation.grow(wanted)
    })
    growing = turn.catch(() => {})
    return turn
  }

  async function write(offset: number, chunks: readonly Uint8Array[]): Promise<void> {
    let end = offset
    for (const chunk of chunks) end += chunk.length
    if (end > reservation.bytes) await takeUpTo(end)
    await spool.write(offset, chunks)
    reservation.holds(spool.held.total)
  }

  async function last<T>(work: Promise<T>): Promise<T> {
    const result = await work
    reservation.release()
    ended(0)
    return result
  }

  // Everything else is the spool's own, its getters included.
  return Object.assign(Object.create(spool) as Spool, {
    write,
    note(note: SpoolNote) {
      size = note.size ?? size
      spool.note(note)
    },
    async reset() {
      await spool.reset()
      size = spool.noted.size
      reservation.holds(0)
    },
    commit: (...args: Parameters<Spool['commit']>) => last(spool.commit(...args)),
    drop: () => last(spool.drop()),
    async [Symbol.asyncDispose]() {
      const { total } = spool.held
      try {
        await spool[Symbol.asyncDispose]()
      } finally {
        reservation.release()
        ended(total)
      }
    },
  })
}
