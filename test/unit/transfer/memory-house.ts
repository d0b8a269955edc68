import { createHash } from 'node:crypto'
import type { Source } from '../../../src/model/artifact.ts'
import type { ByteSource } from '../../../src/model/byte-source.ts'
import { memorySource } from '../../../src/model/byte-source.ts'
import { type BlobId, type Digest, digestOf } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import { createIntervals } from '../../../src/model/intervals.ts'
import type { UpstreamId } from '../../../src/model/reference.ts'
import type { BlobStore, Spool, SpoolNote } from '../../../src/store/blob-store.ts'
import type { Hasher } from '../../../src/system/hasher.ts'
import type { Logger } from '../../../src/system/log.ts'
import { untilGone } from '../../../src/system/until-gone.ts'
import type { MetalinkLinks, SourceBody, SourceReader } from '../../../src/upstream/upstream.ts'

/** Spools and blobs in memory, so that a test can look at them and hold the digest back. Past `fullAt` nothing is written. */
export function memoryHouse(capacity: number, fullAt = Number.POSITIVE_INFINITY) {
  const spools = new Map<
    string,
    { file: Uint8Array; held: ReturnType<typeof createIntervals>; noted: SpoolNote; open: boolean }
  >()
  const blobs = new Map<BlobId, Uint8Array>()
  let gate: Promise<void> = Promise.resolve()

  const store: Pick<BlobStore, 'open' | 'stat' | 'stage'> = {
    open: async (id) => (blobs.has(id) ? memorySource(blobs.get(id)!) : undefined),
    stat: async (id) => (blobs.has(id) ? { id, size: blobs.get(id)!.length, lastUsed: 0, path: id } : undefined),
    async stage(key) {
      const state = spools.get(key) ?? { file: new Uint8Array(capacity), held: createIntervals(), noted: {}, open: false }
      if (state.open) throw new Error(`spool ${key} is open already`)
      spools.set(key, state)
      state.open = true
      const spool: Spool = {
        path: key,
        get held() {
          return state.held
        },
        get noted() {
          return state.noted
        },
        note(note) {
          state.noted = note
        },
        async write(offset, chunks) {
          await Promise.resolve()
          let at = offset
          const end = chunks.reduce((sum, { length }) => sum + length, offset)
          if (end > fullAt) throw new Fault('disk-full', { path: key })
          for (const chunk of chunks) {
            state.file.set(chunk, at)
            at += chunk.length
          }
          state.held.add(offset, at)
        },
        async read(into, position) {
          const length = Math.min(into.length, state.held.reach(position))
          into.set(state.file.subarray(position, position + length))
          return length
        },
        async borrow(position, end) {
          return { bytes: state.file.slice(position, Math.min(end, position + state.held.reach(position))), release() {} }
        },
        forget(start, end) {
          state.held.remove(start, end)
        },
        async reset() {
          state.held.remove(0, capacity)
        },
        async commit(id) {
          blobs.set(id, state.file.slice(0, state.held.reach(0)))
          spools.delete(key)
          return { id, size: state.held.reach(0), lastUsed: 0, path: id }
        },
        async drop() {
          spools.delete(key)
          state.open = false
        },
        retain: () => () => {},
        async [Symbol.asyncDispose]() {
          state.open = false
        },
      }
      return spool
    },
  }

  const hasher: Hasher = {
    start(path) {
      return {
        advance: () => {},
        async finish(size) {
          await gate
          const bytes = spools.get(path)!.file.subarray(0, size)
          return { digests: [digestOf('sha256', createHash('sha256').update(bytes).digest('hex'))], pieces: undefined }
        },
        cancel: () => {},
      }
    },
    async part(path, { start, end }) {
      return createHash('sha256').update(spools.get(path)!.file.subarray(start, end)).digest()
    },
    async whole(path, size) {
      return [digestOfBytes(spools.get(path)!.file.subarray(0, size))]
    },
    close: async () => {},
  }

  return {
    store,
    hasher,
    blobs,
    spools,
    /** Digests agree only once the returned function was called. */
    holdDigests() {
      const { promise, resolve } = Promise.withResolvers<void>()
      gate = promise
      return resolve
    },
  }
}

export interface Asked {
  readonly host: string
  readonly start: number
  readonly end: number | undefined
  sent: number
}

type Behaviour = (bytes: Uint8Array, asked: Asked, count: number) => AsyncIterable<Uint8Array> | Fault

/** Sources by host name, each with a way to behave; `count` is how many times that host was asked before. */
export function scriptedSources(
  bytes: Uint8Array,
  behaviours: Record<string, Behaviour>,
  options: { hidesSize?: boolean; ignoresRange?: boolean; links?: MetalinkLinks } = {},
) {
  const asked: Asked[] = []
  const read: SourceReader['read'] = async (source, { range }, signal) => {
    const host = source.url.hostname
    const isPart = range !== undefined && !options.ignoresRange
    const start = isPart ? range.start : 0
    const end = isPart && range.end !== undefined ? Math.min(range.end, bytes.length) : bytes.length
    const entry: Asked = { host, start, end: range?.end, sent: 0 }
    const count = asked.filter((one) => one.host === host).length
    asked.push(entry)
    const body = behaviours[host]!(bytes.subarray(start, end), entry, count)
    if (body instanceof Fault) throw body
    const answer: SourceBody = {
      status: isPart ? 206 : 200,
      range: { start, end: options.hidesSize ? undefined : end },
      total: options.hidesSize ? undefined : bytes.length,
      validator: undefined,
      ...(options.links && { links: options.links }),
      body: counted(body, entry, signal),
    }
    return answer
  }
  return { asked, read, sources: Object.keys(behaviours).map((host, at) => sourceAt(host, at + 1)) }
}

export function sourceAt(host: string, priority = 1): Source {
  return { url: new URL(`http://${host}/blob`), via: 'lab' as UpstreamId, priority }
}

async function* counted(body: AsyncIterable<Uint8Array>, entry: Asked, signal: AbortSignal) {
  const chunks = body[Symbol.asyncIterator]()
  for (;;) {
    const next = await untilGone(chunks.next(), signal) // a connection that is aborted gives up at once, stalled or not
    if (next.done) return
    entry.sent += next.value.length
    yield next.value
  }
}

/** All of it in pieces, letting others run in between; then, if told, a fault. */
export async function* inPieces(
  bytes: Uint8Array,
  options: { pieceBytes?: number; until?: number; fault?: Fault; gate?: Promise<void>; gateAt?: number } = {},
) {
  const { pieceBytes = 64 * 1024, until = bytes.length, fault, gate, gateAt = 0 } = options
  for (let at = 0; at < until; at += pieceBytes) {
    if (gate && at >= gateAt) await gate
    await new Promise((resolve) => setImmediate(resolve))
    yield bytes.slice(at, Math.min(at + pieceBytes, until))
  }
  if (fault) throw fault
}

export async function collect(
  source: ByteSource,
  start = 0,
  end = Number.POSITIVE_INFINITY,
  signal = new AbortController().signal,
) {
  const parts: Uint8Array[] = []
  source.aim?.(start, end)
  for (let at = start; at < end; ) {
    const buffer = new Uint8Array(Math.min(100_000, end - at))
    const read = await source.read(buffer, at, signal)
    if (read === 0) break
    parts.push(buffer.subarray(0, read))
    at += read
  }
  return Buffer.concat(parts)
}

export const silent: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

export function digestOfBytes(bytes: Uint8Array): Digest {
  return digestOf('sha256', createHash('sha256').update(bytes).digest('hex'))
}
