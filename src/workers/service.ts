import type { Opened, Serving } from '../catalog/catalog.ts'
import { blobOf } from '../model/artifact.ts'
import type { ByteSource } from '../model/byte-source.ts'
import { Fault } from '../model/fault.ts'
import type { Reference } from '../model/reference.ts'
import type { Answers } from '../system/channel.ts'
import type { Uses } from '../system/uses.ts'
import { type Asker, asked, type Granted, type News, type Part, plain, type Shown } from './wire.ts'

export interface ServiceDeps {
  /** As the newest settings have it. */
  readonly house: () => { readonly catalog: Serving; readonly uses: Pick<Uses, 'enter' | 'leave'> }
}

/** What one other process may ask of the catalog, and has open of it. */
export interface Service {
  readonly answers: Answers
  news(): News
  /** Lets go of everything that is open for it. */
  close(): Promise<void>
}

interface Held {
  readonly bytes: ByteSource
  readonly isComing: boolean // a fill's
  readonly leave: () => void
}

const gatherMs = 20 // readers in another process hear of what comes in so often, or
const enough = 1024 * 1024 // when so much is there
const mostRead = 256 * 1024

/** Serves the catalog to another process: it answers, and lends what it has open. */
export function createService({ house }: ServiceDeps): Service {
  const open = new Map<number, Held>()
  let lastHandle = 0
  let isClosed = false
  let tick: Promise<void> | undefined

  async function using<T>(work: (catalog: Serving) => T | Promise<T>): Promise<T> {
    const { catalog, uses } = house()
    uses.enter()
    try {
      return await work(catalog)
    } finally {
      uses.leave()
    }
  }

  type Loose = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>
  const answered = asked.map((name) => [
    name,
    (args: readonly unknown[], signal: AbortSignal) =>
      using(async (catalog) => {
        const asker = args.at(-1) as Asker
        const answer = await (catalog as unknown as Loose)[name]!(...args.slice(0, -1), { ...asker, signal })
        return name === 'resolve' ? withPlaces(catalog, answer as Opened) : answer
      }),
  ])
  const told = plain.map((name) => [
    name,
    (args: readonly unknown[]) => using((catalog) => (catalog as unknown as Loose)[name]!(...args)),
  ])

  /** `known`: the asker has these bytes. */
  async function show(reference: Reference, asker: Asker, known: boolean, signal: AbortSignal): Promise<Shown> {
    const { catalog, uses } = house()
    uses.enter()
    try {
      const { hitsVersion } = catalog
      const { stored: _, bytes, ...opened } = await catalog.open(reference, { ...asker, signal })
      const shown = { ...withPlaces(catalog, opened), size: bytes.size, hitsVersion }
      if (!('bytes' in bytes)) return { ...shown, ...(await lend(bytes, opened.from === 'fill', uses, signal)) }
      return { ...shown, bytes: known ? 'known' : (bytes.bytes as Uint8Array) }
    } finally {
      uses.leave()
    }
  }

  async function lend(
    bytes: ByteSource,
    isComing: boolean,
    uses: Pick<Uses, 'enter' | 'leave'>,
    signal: AbortSignal,
  ): Promise<Pick<Shown, 'handle' | 'path'>> {
    uses.enter()
    const handle = ++lastHandle
    open.set(handle, { bytes, isComing, leave: uses.leave })
    if (isClosed) await release(handle)
    if (isClosed || isComing) return { handle }
    // Whoever cannot be told where it lies has it read here.
    const located = await bytes.locate?.(0, Number.POSITIVE_INFINITY, signal).catch(() => undefined)
    return { handle, ...(located && located.count === bytes.size ? { path: located.path } : {}) }
  }

  function heldBy(handle: number): Held {
    const held = open.get(handle)
    if (!held) throw new Fault('internal', { what: `what was opened as ${handle}, which was let go` })
    return held
  }

  async function locate(handle: number, position: number, most: number, signal: AbortSignal): Promise<Granted> {
    const { bytes, isComing } = heldBy(handle)
    let located = await bytes.locate?.(position, most, signal)
    const end = Math.min(position + most, (bytes.size ?? Number.POSITIVE_INFINITY) - 1) // the last byte is worth a word of its own
    if (isComing && located && located.count < enough && position + located.count < end) {
      await nextTick()
      located = await bytes.locate?.(position, most, signal)
    }
    return { path: located?.path, count: located?.count ?? 0, size: bytes.size }
  }

  /** One for all who wait, so that what they hear travels together. */
  function nextTick(): Promise<void> {
    tick ??= new Promise((resolve) => {
      setTimeout(() => {
        tick = undefined
        resolve()
      }, gatherMs)
    })
    return tick
  }

  async function read(handle: number, position: number, most: number, signal: AbortSignal): Promise<Part> {
    const { bytes } = heldBy(handle)
    const into = Buffer.allocUnsafe(Math.min(most, mostRead))
    const count = await bytes.read(into, position, signal)
    return { bytes: into.subarray(0, count), size: bytes.size }
  }

  async function release(handle: number): Promise<void> {
    const held = open.get(handle)
    if (!held || !open.delete(handle)) return
    held.leave()
    await held.bytes[Symbol.asyncDispose]()
  }

  return {
    answers: {
      ...Object.fromEntries([...answered, ...told]),
      open: ([reference, known, asker], signal) => show(reference, asker, known, signal),
      locate: ([handle, position, most], signal) => locate(handle, position, most, signal),
      read: ([handle, position, most], signal) => read(handle, position, most, signal),
      aim: ([handle, start, end]) => open.get(handle)?.bytes.aim?.(start, end),
      release: ([handle]) => release(handle),
      used: ([references]) =>
        using((catalog) => {
          for (const reference of references as readonly Reference[]) catalog.openAtOnce(reference)
        }),
    },
    news() {
      const { isSigning, linksVersion, hitsVersion } = house().catalog
      return { isSigning, linksVersion, hitsVersion }
    },
    async close() {
      isClosed = true
      await Promise.allSettled([...open.keys()].map(release)) // who asked is gone, and has no use for why one could not be
    },
  }
}

/** Whoever prints an answer needs them at once. */
function withPlaces<T extends Pick<Opened, 'artifact'>>(catalog: Pick<Serving, 'places'>, opened: T) {
  const { size } = opened.artifact
  const blob = size === undefined ? undefined : blobOf(opened.artifact)
  return { ...opened, places: blob ? catalog.places(blob, size!) : [] }
}
