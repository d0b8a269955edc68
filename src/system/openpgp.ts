import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Fault } from '../model/fault.ts'

/** OpenPGP, in another thread: neither its arithmetic nor its megabyte of code is ever on the loop that serves. */
export interface OpenPgp {
  /** What became of the key that was given to sign with; undefined where none was. */
  key(): Promise<KeyReport | undefined>
  /** What became of the public keys of that name. */
  ring(name: string): Promise<RingReport>
  /** An armored detached signature. @throws Fault 'internal' when the key cannot sign any more */
  sign(bytes: Uint8Array): Promise<string>
  /** The same of the first `size` bytes of a file. @throws Fault 'disk-failed', 'internal' */
  signFile(path: string, size: number, signal: AbortSignal): Promise<string>
  /** A detached signature that somebody else made, armored or not; undefined where these bytes are none. */
  read(bytes: Uint8Array, rings: readonly string[]): Promise<ReadSignature | undefined>
  /** Is it a good signature of the file's bytes, by one of the keys? @throws Fault 'disk-failed' */
  verifyFile(path: string, size: number, signature: string, rings: readonly string[], signal: AbortSignal): Promise<Verdict>
  close(): Promise<void>
}

export interface OpenPgpSettings {
  readonly key: { readonly armored: string; readonly passphrase: string | undefined } | undefined
  /** Armored public keys, by the name they are asked for. */
  readonly rings: ReadonlyMap<string, string>
}

export type KeyReport =
  | { readonly outcome: 'usable'; readonly fingerprint: string }
  | { readonly outcome: 'refused'; readonly fault: 'key' | 'passphrase'; readonly why: string }

export type RingReport =
  | { readonly outcome: 'usable'; readonly fingerprints: readonly string[] }
  | { readonly outcome: 'refused'; readonly why: string }

export interface ReadSignature {
  readonly armored: string
  readonly issuers: readonly string[] // of its makers: fingerprints, or key ids where it says no more
  readonly trusted: readonly string[] // fingerprints of those keys of the rings that it says it was made by
}

export type Verdict =
  | { readonly outcome: 'good'; readonly by: string } // the fingerprint of the key
  | { readonly outcome: 'bad'; readonly why: string }

export type Task =
  | { readonly kind: 'key' }
  | { readonly kind: 'ring'; readonly name: string }
  | { readonly kind: 'sign'; readonly bytes: Uint8Array }
  | { readonly kind: 'sign-file'; readonly path: string; readonly size: number }
  | { readonly kind: 'read'; readonly bytes: Uint8Array; readonly rings: readonly string[] }
  | {
      readonly kind: 'verify-file'
      readonly path: string
      readonly size: number
      readonly signature: string
      readonly rings: readonly string[]
    }

export interface Answers {
  readonly key: KeyReport | undefined
  readonly ring: RingReport
  readonly sign: string
  readonly 'sign-file': string
  readonly read: ReadSignature | undefined
  readonly 'verify-file': Verdict
}

export type ToThread =
  | { readonly kind: 'begin'; readonly job: number; readonly task: Task }
  | { readonly kind: 'cancel'; readonly job: number }
export type FromThread =
  | { readonly kind: 'done'; readonly job: number; readonly answer: Answers[keyof Answers] }
  | { readonly kind: 'failed'; readonly job: number; readonly why: string; readonly isDisk: boolean }

interface Job {
  readonly task: Task
  readonly result: PromiseWithResolvers<unknown>
}

/** One thread, started with the first question, that keeps no process alive by itself. */
export function createOpenPgp(settings: OpenPgpSettings): OpenPgp {
  const jobs = new Map<number, Job>()
  let thread: Worker | undefined
  let count = 0
  let isClosed = false

  function begin(): Worker {
    const url = new URL(`./openpgp-thread${extname(import.meta.url)}`, import.meta.url)
    const started = new Worker(url, { workerData: settings })
    started.unref()
    started.on('message', settle)
    started.on('error', (error) => lose(started, error.message))
    started.on('exit', () => lose(started, 'the OpenPGP thread ended'))
    return started
  }

  function settle(answer: FromThread): void {
    const job = jobs.get(answer.job)
    if (!job) return
    release(answer.job)
    if (answer.kind === 'done') job.result.resolve(answer.answer)
    else job.result.reject(faultOf(job.task, answer))
  }

  function lose(lost: Worker, why: string): void {
    if (thread !== lost) return
    thread = undefined
    for (const [id, job] of jobs) {
      jobs.delete(id)
      job.result.reject(new Fault('internal', { what: why }))
    }
  }

  function release(id: number): void {
    jobs.delete(id)
    if (jobs.size === 0) thread?.unref()
  }

  async function ask<Kind extends keyof Answers>(
    task: Extract<Task, { kind: Kind }>,
    signal?: AbortSignal,
  ): Promise<Answers[Kind]> {
    signal?.throwIfAborted()
    if (isClosed) throw new Fault('cancelled', { what: 'OpenPGP' })
    thread ??= begin()
    thread.ref()
    const id = count++
    const job: Job = { task, result: Promise.withResolvers() }
    jobs.set(id, job)
    thread.postMessage({ kind: 'begin', job: id, task } satisfies ToThread)
    const cancel = () => {
      if (!jobs.has(id)) return
      thread?.postMessage({ kind: 'cancel', job: id } satisfies ToThread)
      release(id)
      job.result.reject(signal?.reason)
    }
    signal?.addEventListener('abort', cancel, { once: true })
    try {
      return (await job.result.promise) as Answers[Kind]
    } finally {
      signal?.removeEventListener('abort', cancel)
    }
  }

  return {
    key: () => ask({ kind: 'key' }),
    ring: (name) => ask({ kind: 'ring', name }),
    sign: (bytes) => ask({ kind: 'sign', bytes }),
    signFile: (path, size, signal) => ask({ kind: 'sign-file', path, size }, signal),
    read: (bytes, rings) => ask({ kind: 'read', bytes, rings }),
    verifyFile: (path, size, signature, rings, signal) => ask({ kind: 'verify-file', path, size, signature, rings }, signal),
    async close() {
      isClosed = true
      const last = thread
      if (last) lose(last, 'OpenPGP was closed')
      await last?.terminate()
    },
  }
}

function faultOf(task: Task, { why, isDisk }: Extract<FromThread, { kind: 'failed' }>): Fault {
  return isDisk && 'path' in task ? new Fault('disk-failed', { path: task.path, why }) : new Fault('internal', { what: why })
}
