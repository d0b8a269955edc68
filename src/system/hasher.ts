import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { type Algorithm, type Digest, digestOf, hexOf } from '../model/digest.ts'
import { Fault } from '../model/fault.ts'
import type { ByteRange } from '../model/range.ts'

/** Hashes files in another thread, so that no body is ever hashed on the loop that serves. */
export interface Hasher {
  /**
   * Reads the file in order from its first byte, never past the front it was told. With a `pieceLength` (bytes) the
   * sha-256 of each piece is made in the same pass.
   */
  start(path: string, algorithms: readonly Algorithm[], pieceLength?: number): Hashing
  /** Raw sha-256 of a part of a file. @throws Fault 'disk-failed' */
  part(path: string, range: ByteRange): Promise<Uint8Array>
  /** Hashes the first `size` bytes of a file that is already there. */
  whole(path: string, size: number, algorithms: readonly Algorithm[], signal: AbortSignal): Promise<readonly Digest[]>
  close(): Promise<void>
}

export interface Hashing {
  /** Bytes up to here may be read. Cheap to call often. */
  advance(front: number): void
  /** Once `size` bytes are hashed. @throws Fault 'disk-failed' */
  finish(size: number): Promise<Hashed>
  cancel(): void
}

export interface Hashed {
  readonly digests: readonly Digest[] // in the order they were asked for
  readonly pieces: Uint8Array | undefined // raw sha-256 of each piece, one after the other
}

export type ToThread =
  | {
      readonly kind: 'start'
      readonly job: number
      readonly path: string
      readonly algorithms: readonly Algorithm[]
      readonly pieceLength: number | undefined
      readonly from: number // bytes left out at the beginning
    }
  | { readonly kind: 'advance'; readonly job: number; readonly front: number }
  | { readonly kind: 'finish'; readonly job: number; readonly size: number }
  | { readonly kind: 'cancel'; readonly job: number }
export type FromThread =
  | { readonly kind: 'done'; readonly job: number; readonly hex: readonly string[]; readonly pieces: Uint8Array | undefined }
  | { readonly kind: 'failed'; readonly job: number; readonly why: string }

const messageEvery = 1024 * 1024 // bytes: fronts are told about this often

interface Job {
  readonly path: string
  readonly algorithms: readonly Algorithm[]
  readonly result: PromiseWithResolvers<Hashed>
  told: number
}

/** One thread, started with the first job, that keeps no process alive by itself. */
export function createHasher(): Hasher {
  const jobs = new Map<number, Job>()
  let thread: Worker | undefined
  let count = 0

  function begin(): Worker {
    const started = new Worker(new URL(`./hash-thread${extname(import.meta.url)}`, import.meta.url))
    started.unref()
    started.on('message', settle)
    started.on('error', (error) => lose(started, error.message))
    started.on('exit', () => lose(started, 'the hashing thread ended'))
    return started
  }

  function settle(answer: FromThread): void {
    const job = jobs.get(answer.job)
    if (!job) return
    release(answer.job)
    if (answer.kind === 'failed') job.result.reject(new Fault('disk-failed', { path: job.path, why: answer.why }))
    else job.result.resolve({ digests: answer.hex.map((hex, at) => digestOf(job.algorithms[at]!, hex)), pieces: answer.pieces })
  }

  function lose(lost: Worker, why: string): void {
    if (thread !== lost) return
    thread = undefined
    for (const [id, job] of jobs) {
      jobs.delete(id)
      job.result.reject(new Fault('disk-failed', { path: job.path, why }))
    }
  }

  function release(id: number): void {
    jobs.delete(id)
    if (jobs.size === 0) thread?.unref()
  }

  function send(message: ToThread): void {
    thread?.postMessage(message)
  }

  function start(path: string, algorithms: readonly Algorithm[], pieceLength?: number, from = 0): Hashing {
    thread ??= begin()
    thread.ref()
    const id = count++
    const job: Job = { path, algorithms, result: Promise.withResolvers(), told: 0 }
    job.result.promise.catch(() => {})
    jobs.set(id, job)
    send({ kind: 'start', job: id, path, algorithms, pieceLength, from })
    return {
      advance(front) {
        if (front - job.told < messageEvery) return
        job.told = front
        send({ kind: 'advance', job: id, front })
      },
      finish(size) {
        send({ kind: 'finish', job: id, size })
        return job.result.promise
      },
      cancel() {
        if (!jobs.has(id)) return
        send({ kind: 'cancel', job: id })
        release(id)
        job.result.reject(new Fault('cancelled', { what: `hashing of ${path}` }))
      },
    }
  }

  return {
    start,
    async part(path, { start: from, end }) {
      const { digests } = await start(path, ['sha256'], undefined, from).finish(end)
      return Buffer.from(hexOf(digests[0]!), 'hex')
    },
    async whole(path, size, algorithms, signal) {
      signal.throwIfAborted()
      const hashing = start(path, algorithms)
      signal.addEventListener('abort', hashing.cancel, { once: true })
      try {
        return (await hashing.finish(size)).digests
      } finally {
        signal.removeEventListener('abort', hashing.cancel)
      }
    },
    async close() {
      const last = thread
      if (last) lose(last, 'the hasher was closed')
      await last?.terminate()
    },
  }
}
