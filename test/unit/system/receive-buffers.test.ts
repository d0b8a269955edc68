import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createReceiveBuffers, type ReceiveBuffers } from '../../../src/system/receive-buffers.ts'
import { seededBytes } from '../../kit/blobs.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'

expectNoLeaks()

describe('receive buffers', () => {
  const content = Buffer.from(seededBytes(8_000_000, 'received'))
  let server: Server

  beforeEach(async () => {
    server = createServer((socket) => socket.end(content)).listen(0, '127.0.0.1')
    await once(server, 'listening')
  })
  afterEach(async () => {
    server.close()
    await once(server, 'close')
  })

  /** Takes chunks as a stream gives them, each copied and then let go of; returns how many memories they lay in. */
  async function receive(buffers: ReceiveBuffers, lag: number): Promise<{ bytes: Buffer; memories: number }> {
    const { port } = server.address() as AddressInfo
    const socket = connect({ port, host: '127.0.0.1', onread: buffers.onread })
    const parts: Buffer[] = []
    const waiting: Uint8Array[] = []
    const memories = new Set<ArrayBufferLike>()
    for await (const chunk of socket) {
      if (chunk.length >= 32 * 1024) memories.add(chunk.buffer)
      waiting.push(chunk)
      while (waiting.length > lag) {
        const taken = waiting.shift()!
        parts.push(Buffer.from(taken))
        buffers.release(taken)
      }
    }
    for (const taken of waiting) parts.push(Buffer.from(taken))
    return { bytes: Buffer.concat(parts), memories: memories.size }
  }

  test.each([0, 1, 10])('give every byte as it was sent when %i chunks are held back', async (lag) => {
    expect((await receive(createReceiveBuffers(), lag)).bytes.equals(content)).toBe(true)
  })

  test('are few however much is received', async () => {
    expect((await receive(createReceiveBuffers(), 0)).memories).toBeLessThan(8)
  })

  test('take back neither parts nor what is not theirs, and nothing twice', () => {
    const buffers = createReceiveBuffers()
    const next = () => (buffers.onread.buffer as () => Uint8Array)()
    const mine = next()
    const pushed: Uint8Array[] = []
    buffers.onread.callback.call({ push: (chunk: Uint8Array) => pushed.push(chunk) > 0 }, 50_000, mine)
    buffers.release(pushed[0]!.subarray(0, 100))
    buffers.release(Buffer.alloc(50_000))
    expect(next().buffer).not.toBe(mine.buffer)
    buffers.release(pushed[0]!)
    buffers.release(pushed[0]!)
    expect(next().buffer).toBe(mine.buffer)
    expect(next().buffer).not.toBe(mine.buffer)
  })
})
