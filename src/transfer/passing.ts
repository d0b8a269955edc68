import type { Artifact, Source, Validators } from '../model/artifact.ts'
import type { ByteSource } from '../model/byte-source.ts'
import { Fault, isFault } from '../model/fault.ts'
import type { Logger } from '../system/log.ts'
import { createPlaces } from '../system/places.ts'
import { createSingleFlight } from '../system/single-flight.ts'
import { untilGone } from '../system/until-gone.ts'
import type { Supply } from './supply.ts'
import { type Fill, fillKey, type Opening, type Prefix } from './transfer.ts'
import { openWindow, type Window, type WindowDeps, type WindowReader } from './window.ts'

export interface PassingDeps extends Omit<WindowDeps, 'capacity' | 'patience' | 'isWanted' | 'read' | 'wrong'> {
  readonly log: Logger
  readonly supply: (key: string) => Supply
  readonly passed: () => void // for the metrics
}

/** Where the disk takes no more, bytes are passed on without being kept: a pull does not fail for it. */
export interface Passing {
  /** The same fill for its readers, whatever becomes of the disk under it. */
  outlasting(fill: Fill, artifact: Artifact, sources: readonly Source[]): Fill
  /** Waits for what still runs until the signal aborts. */
  close(signal: AbortSignal): Promise<void>
}

const windows = 4 // at once
const capacity = 4 * 1024 * 1024 // bytes of each
const patience = { readersMs: 2_000, othersMs: 30_000 }

export function createPassing(deps: PassingDeps): Passing {
  const joinable = new Map<string, Window>()
  const running = new Map<Window, Promise<void>>()
  const flights = createSingleFlight<string, Window>()
  const places = createPlaces(windows)
  const closing = new AbortController()

  function begin(key: string, artifact: Artifact, sources: readonly Source[], done: () => void): Window {
    deps.passed()
    deps.log.warn('transfer.passing', { what: key, why: 'the disk takes no more' })
    const isWanted = () => places.waiting > 0
    const { read, wrong, uses } = deps.supply(key)
    uses?.enter()
    const window = openWindow({ ...deps, read, wrong, capacity, patience, isWanted }, key, artifact, sources)
    joinable.set(key, window)
    const ended = window.ended.finally(() => {
      uses?.leave()
      running.delete(window)
      done()
      if (joinable.get(key) === window) joinable.delete(key)
    })
    running.set(window, ended)
    return window
  }

  /** As a reader of the window that has the bytes from the first one on: a running one, or a new one once there is a place. */
  async function enter(
    artifact: Artifact,
    sources: readonly Source[],
    given: readonly Prefix[],
    signal: AbortSignal,
  ): Promise<{ window: Window; reader: WindowReader }> {
    const key = fillKey(artifact)
    const boarded = (window: Window | undefined) => {
      const reader = window?.join(given)
      return window && reader && { window, reader }
    }
    for (;;) {
      const now = boarded(joinable.get(key))
      if (now) return now
      // Those who wait for a place wait for one together.
      const { value: window } = await flights.run(key, signal, async (shared) => {
        const leave = await places.enter(AbortSignal.any([shared, closing.signal]))
        return begin(key, artifact, sources, leave)
      })
      const next = boarded(window)
      if (next) return next
      await window.opened // throws where that is why; else we came late
    }
  }

  /** One who reads a fill, and what passes where that is left to the disk. */
  function passenger(fill: Fill, artifact: Artifact, sources: readonly Source[]) {
    const gone = new AbortController()
    let kept: ByteSource | undefined = fill.follow()
    let passing: WindowReader | undefined
    let told: Opening = { size: undefined } // as the asker knows it
    let shown: { start: number; end: number } | undefined // of what was kept
    let wantedEnd = Number.POSITIVE_INFINITY

    /** @throws the error itself where bytes must not pass, or those given before cannot be vouched for */
    function demandPassable(error: unknown): readonly Prefix[] {
      if (!isFault(error, 'disk-full', 'disk-failed') || !deps.supply(fillKey(artifact)).mayPass(artifact)) throw error
      if (!shown) return []
      if (!fill.given || shown.end > fill.given.end || wantedEnd <= fill.given.end) throw error
      return [fill.given]
    }

    function took(position: number, count: number): void {
      const { start, end } = shown ?? { start: position, end: position }
      shown = { start: Math.min(start, position), end: Math.max(end, position + count) }
      if (told.size === undefined) told = { ...told, size: kept?.size }
    }

    async function open(): Promise<Opening> {
      try {
        return await fill.opened
      } catch (error) {
        return untilGone((await board(demandPassable(error))).opened, gone.signal)
      }
    }

    async function board(given: readonly Prefix[]): Promise<Window> {
      const { window, reader } = await enter(artifact, sources, given, gone.signal)
      if (gone.signal.aborted) await reader[Symbol.asyncDispose]()
      gone.signal.throwIfAborted()
      passing = reader
      return window
    }

    /** What was shown of it stays shown: it has to be the beginning of what passes. */
    async function leaveKept(error: unknown): Promise<void> {
      const given = demandPassable(error)
      await kept?.[Symbol.asyncDispose]()
      kept = undefined
      if (!passing) await board(given)
    }

    async function passedOn(into: Uint8Array, position: number, signal: AbortSignal): Promise<number> {
      for (;;) {
        const count = await passing!.read(into, position, signal)
        demandSame()
        if (count !== undefined) return count
        const { given } = passing! // too slow for it: the next one begins anew
        await passing![Symbol.asyncDispose]()
        await untilGone(board(given), signal)
      }
    }

    /** What the asker was told cannot be taken back. */
    function demandSame(): void {
      const other = passing && differenceOf(told, passing)
      if (other) throw new Fault('source-changed', { url: fillKey(artifact), why: other })
    }

    const bytes: ByteSource = {
      get size() {
        return told.size ?? kept?.size ?? passing?.size
      },
      aim(start, end) {
        wantedEnd = end
        kept?.aim?.(start, end)
      },
      async read(into, position, signal) {
        if (kept) {
          try {
            const count = await kept.read(into, position, signal)
            took(position, count)
            return count
          } catch (error) {
            await untilGone(leaveKept(error), signal)
          }
        }
        return passedOn(into, position, signal)
      },
      async borrow(position, most, signal) {
        try {
          const lent = await kept?.borrow?.(position, most, signal)
          if (lent) took(position, lent.bytes.length)
          return lent
        } catch (error) {
          await untilGone(leaveKept(error), signal)
          return undefined
        }
      },
      async locate(position, most, signal) {
        try {
          const located = await kept?.locate?.(position, most, signal)
          if (located) took(position, located.count)
          return located
        } catch (error) {
          await untilGone(leaveKept(error), signal)
          return undefined
        }
      },
      async [Symbol.asyncDispose]() {
        gone.abort(new Fault('cancelled', { what: `reading ${fillKey(artifact)}` }))
        await kept?.[Symbol.asyncDispose]()
        await passing?.[Symbol.asyncDispose]()
      },
    }
    const opened = async () => {
      told = await open()
      return told
    }
    return { bytes, opened }
  }

  return {
    outlasting(fill, artifact, sources) {
      let first: ReturnType<typeof passenger> | undefined
      let opening: Fill['opened'] | undefined
      // Whoever asks for no bytes has no use for those that pass.
      const opened = () => {
        opening ??= first ? first.opened() : fill.opened
        opening.catch(() => {})
        return opening
      }
      const follow = () => {
        const next = passenger(fill, artifact, sources)
        first ??= next
        return next.bytes
      }
      return Object.defineProperty(Object.assign(Object.create(fill) as Fill, { follow }), 'opened', { get: opened })
    },
    async close(signal) {
      const stopping = new Fault('overloaded', { what: 'the server is stopping', retryAfterMs: 5_000 })
      closing.abort(stopping)
      const stopAll = () => {
        for (const window of running.keys()) window.stop(stopping)
      }
      if (signal.aborted) stopAll()
      signal.addEventListener('abort', stopAll, { once: true })
      await Promise.all(running.values())
      signal.removeEventListener('abort', stopAll)
    },
  }
}

function differenceOf(told: Opening, now: Opening): string | undefined {
  if (told.size !== undefined && now.size !== undefined && now.size !== told.size)
    return `it has ${now.size} bytes where ${told.size} were said before`
  const isOther = (what: keyof Validators) => {
    const [before, after] = [told.version?.[what], now.version?.[what]]
    return before !== undefined && after !== undefined && before !== after
  }
  return isOther('etag') || isOther('lastModified') ? 'it has another version now' : undefined
}
