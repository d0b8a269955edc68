import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { Fault } from '../model/fault.ts'

/** Compares passwords with bcrypt hashes in another thread, one after another. */
export interface Passwords {
  /** @throws Fault 'overloaded' where too many wait, 'internal' */
  isRight(password: string, hash: string): Promise<boolean>
  /** Lets running checks end. */
  close(): Promise<void>
}

export interface ToThread {
  readonly job: number
  readonly password: string
  readonly hash: string
}
export interface FromThread {
  readonly job: number
  readonly isRight: boolean
}

const mostWaiting = 256

/** The thread is started with the first check, and keeps no process alive by itself. */
export function createPasswords(): Passwords {
  const jobs = new Map<number, PromiseWithResolvers<boolean>>()
  let thread: Worker | undefined
  let count = 0
  let isClosed = false

  function begin(): Worker {
    const started = new Worker(new URL(`./bcrypt-thread${extname(import.meta.url)}`, import.meta.url))
    started.on('message', ({ job, isRight }: FromThread) => {
      jobs.get(job)?.resolve(isRight)
      jobs.delete(job)
      if (jobs.size > 0) return
      started.unref()
      if (isClosed) void end()
    })
    started.on('error', (error) => lose(started, error))
    started.on('exit', () => lose(started, undefined))
    return started
  }

  function lose(lost: Worker, cause: unknown): void {
    if (thread !== lost) return
    thread = undefined
    for (const job of jobs.values())
      job.reject(new Fault('internal', { what: 'the thread that checks passwords ended' }, { cause }))
    jobs.clear()
  }

  async function end(): Promise<void> {
    const last = thread
    thread = undefined
    await last?.terminate()
  }

  return {
    isRight(password, hash) {
      if (jobs.size >= mostWaiting)
        return Promise.reject(new Fault('overloaded', { what: `${mostWaiting} logins wait to be checked`, retryAfterMs: 5_000 }))
      thread ??= begin()
      thread.ref()
      const job = Promise.withResolvers<boolean>()
      jobs.set(++count, job)
      thread.postMessage({ job: count, password, hash } satisfies ToThread)
      return job.promise
    },
    async close() {
      isClosed = true
      await Promise.allSettled([...jobs.values()].map(({ promise }) => promise))
      await end()
    },
  }
}
