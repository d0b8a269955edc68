import { connect, type Socket } from 'node:net'
import { now } from '../now.ts'
import { createHeadReader } from './head.ts'
import type { Target } from './pull.ts'

/** Many clients that each take so many bytes a second and no more. */
export interface SlowHerd extends AsyncDisposable {
  /** Received by each so far, in bytes of the body. */
  readonly received: readonly number[]
  /** The first thing that went wrong. */
  readonly trouble: Error | undefined
}

const tickMs = 50
const bufferBytes = 64 * 1024

/** Starts them all; they read until disposed. */
export function startSlowHerd(target: Target, clients: number, bytesPerSecond: number): SlowHerd {
  const buffer = Buffer.allocUnsafeSlow(bufferBytes)
  const received = new Array<number>(clients).fill(0)
  const sockets: Socket[] = []
  const isResting = new Array<boolean>(clients).fill(false)
  const startedAt = now()
  let isOver = false
  let trouble: Error | undefined

  const allowed = (): number => ((now() - startedAt) / 1000) * bytesPerSecond

  function start(index: number): Socket {
    const head = createHeadReader()
    const fail = (error: Error): void => {
      if (!isOver) trouble ??= new Error(`client ${index}: ${error.message} after ${received[index]} bytes`)
    }
    const receive = (length: number): boolean => {
      let from = 0
      try {
        if (head.length === undefined) from = head.read(buffer.subarray(0, length))
      } catch (error) {
        socket.destroy(error as Error)
        return false
      }
      received[index]! += length - from
      // False stops reading until `resume`, though the socket does not call itself paused.
      isResting[index] = received[index]! >= allowed()
      return !isResting[index]
    }
    const socket = connect({ port: target.port, host: '127.0.0.1', onread: { buffer, callback: receive } })
    socket.once('error', fail)
    socket.once('close', () => fail(new Error('closed')))
    socket.write(`GET ${target.path} HTTP/1.1\r\nHost: 127.0.0.1:${target.port}\r\nAccept: */*\r\n\r\n`)
    return socket
  }

  for (let index = 0; index < clients; index++) sockets.push(start(index))
  const ticking = setInterval(() => {
    const due = allowed()
    for (const [index, socket] of sockets.entries()) {
      if (!isResting[index] || received[index]! >= due) continue
      isResting[index] = false
      socket.resume()
    }
  }, tickMs)

  return {
    received,
    get trouble() {
      return trouble
    },
    async [Symbol.asyncDispose]() {
      isOver = true
      clearInterval(ticking)
      for (const socket of sockets) socket.destroy()
    },
  }
}
