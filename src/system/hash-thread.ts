import { createHash, type Hash } from 'node:crypto'
import { closeSync, openSync, readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import type { FromThread, ToThread } from './hasher.ts'

// Runs in a thread of its own (hasher.ts): reads are synchronous here, as nobody else waits for this loop.

const stepBytes = 1024 * 1024

interface Job {
  readonly fd: number
  readonly hashes: readonly Hash[]
  readonly pieces: Pieces | undefined
  position: number
  front: number
  size: number | undefined // known once the end was announced
}

interface Pieces {
  readonly length: number // bytes
  readonly done: Buffer[]
  current: Hash
  left: number // bytes the current piece still wants
}

const port = parentPort!
const jobs = new Map<number, Job>()
const buffer = Buffer.allocUnsafeSlow(stepBytes)
let isRunning = false

port.on('message', (message: ToThread) => {
  try {
    take(message)
  } catch (error) {
    fail(message.job, error)
  }
})

function take(message: ToThread): void {
  if (message.kind === 'start') {
    const hashes = message.algorithms.map((name) => createHash(name))
    const pieces = message.pieceLength === undefined ? undefined : startPieces(message.pieceLength)
    jobs.set(message.job, {
      fd: openSync(message.path, 'r'),
      hashes,
      pieces,
      position: message.from,
      front: message.from,
      size: undefined,
    })
    return
  }
  const job = jobs.get(message.job)
  if (!job) return
  if (message.kind === 'cancel') {
    end(message.job, job)
    return
  }
  if (message.kind === 'finish') job.size = message.size
  job.front = message.kind === 'finish' ? message.size : Math.max(job.front, message.front)
  run()
}

/** One step of each job that has something to do, then a look at the messages, and again. */
function run(): void {
  if (isRunning) return
  isRunning = true
  setImmediate(() => {
    isRunning = false
    let isBusy = false
    for (const [id, job] of jobs) {
      try {
        isBusy = step(id, job) || isBusy
      } catch (error) {
        fail(id, error)
      }
    }
    if (isBusy) run()
  })
}

/** Returns whether there is more to do. */
function step(id: number, job: Job): boolean {
  const length = Math.min(stepBytes, job.front - job.position)
  if (length > 0) {
    const read = readSync(job.fd, buffer, 0, length, job.position)
    if (read === 0) throw new Error(`the file ends at ${job.position}, ${job.front} bytes were announced`)
    const bytes = read === stepBytes ? buffer : buffer.subarray(0, read)
    for (const hash of job.hashes) hash.update(bytes)
    if (job.pieces) addToPieces(job.pieces, bytes)
    job.position += read
  }
  if (job.position < job.front) return true
  if (job.size !== undefined) {
    end(id, job)
    const hex = job.hashes.map((hash) => hash.digest('hex'))
    port.postMessage({ kind: 'done', job: id, hex, pieces: job.pieces && endPieces(job.pieces) } satisfies FromThread)
  }
  return false
}

function startPieces(length: number): Pieces {
  return { length, done: [], current: createHash('sha256'), left: length }
}

function addToPieces(pieces: Pieces, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const count = Math.min(pieces.left, bytes.length - at)
    pieces.current.update(bytes.subarray(at, at + count))
    pieces.left -= count
    at += count
    if (pieces.left === 0) nextPiece(pieces)
  }
}

function nextPiece(pieces: Pieces): void {
  pieces.done.push(pieces.current.digest())
  pieces.current = createHash('sha256')
  pieces.left = pieces.length
}

function endPieces(pieces: Pieces): Uint8Array {
  if (pieces.left < pieces.length) nextPiece(pieces)
  return new Uint8Array(Buffer.concat(pieces.done))
}

function end(id: number, job: Job): void {
  jobs.delete(id)
  closeSync(job.fd)
}

function fail(id: number, error: unknown): void {
  const job = jobs.get(id)
  if (job) end(id, job)
  port.postMessage({ kind: 'failed', job: id, why: error instanceof Error ? error.message : String(error) } satisfies FromThread)
}
