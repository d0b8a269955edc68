import { parentPort } from 'node:worker_threads'
import { compareSync } from 'bcryptjs'
import type { FromThread, ToThread } from './passwords.ts'

// Runs in a thread of its own (passwords.ts): one check takes a tenth of a second of nothing but arithmetic.

const port = parentPort!

port.on('message', ({ job, password, hash }: ToThread) => {
  port.postMessage({ job, isRight: compareSync(password, hash) } satisfies FromThread)
})
