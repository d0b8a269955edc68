import { createHash, type Hash } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { now } from '../now.ts'
import { createHeadReader } from './head.ts'

export interface Target {
  readonly port: number
  readonly path: string
}

/** One finished GET. Times are monotonic milliseconds. */
export interface Pulled {
  readonly startedAt: number // before connecting
  readonly firstByteAt: number // of the body
  readonly endedAt: number
  readonly bytes: number // of the body; all that Content-Length promised
  readonly digest?: string
}

export interface PullOptions {
  /** Hash the body: costs this process about as much again as receiving it. */
  readonly hash?: boolean
  readonly signal: AbortSignal
}

export type Pull = (target: Target, options: PullOptions) => Promise<Pulled>

/**
 * A client that costs as little as Node can: raw sockets, and one receive buffer for all of them.
 * Rejects when the answer is not a 200 with a Content-Length, or ends before it.
 */
export function createPull(bufferBytes = 256 * 1024): Pull {
  const buffer = Buffer.allocUnsafeSlow(bufferBytes)

  return (target, { hash, signal }) =>
    new Promise((resolve, reject) => {
      const startedAt = now()
      const head = createHeadReader()
      const hasher: Hash | undefined = hash ? createHash('sha256') : undefined
      let firstByteAt = 0
      let bytes = 0

      const fail = (error: Error): void => {
        socket.destroy()
        reject(new Error(`GET ${target.path} on port ${target.port}: ${error.message} after ${bytes} bytes`))
      }
      const receive = (length: number): boolean => {
        let from = 0
        if (head.length === undefined) {
          try {
            from = head.read(buffer.subarray(0, length))
          } catch (error) {
            fail(error as Error)
            return true
          }
        }
        if (from === length) return true
        if (bytes === 0) firstByteAt = now()
        bytes += length - from
        hasher?.update(buffer.subarray(from, length))
        if (bytes !== head.length) return true
        resolve({ startedAt, firstByteAt, endedAt: now(), bytes, digest: hasher && `sha256:${hasher.digest('hex')}` })
        socket.destroy()
        return true
      }
      const socket: Socket = connect({ port: target.port, host: '127.0.0.1', onread: { buffer, callback: receive }, signal })
      socket.once('error', fail)
      socket.once('close', () => fail(new Error('closed early')))
      socket.write(`GET ${target.path} HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\nAccept: */*\r\n\r\n`)
    })
}
