import { describe, expect, test } from 'vitest'
import type { Spool } from '../../../src/store/blob-store.ts'
import { createSpoolWriter } from '../../../src/transfer/spool-writer.ts'
import { seededBytes } from '../../kit/blobs.ts'

const KiB = 1024

/** A spool that writes when told to. */
function slowSpool() {
  const file = new Uint8Array(2048 * KiB)
  const waiting: (() => void)[] = []
  const writes: [offset: number, length: number][] = []
  let failure: Error | undefined
  const spool = {
    async write(offset: number, chunks: readonly Uint8Array[]) {
      const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
      writes.push([offset, length])
      await new Promise<void>((resolve) => waiting.push(resolve))
      if (failure) throw failure
      let at = offset
      for (const chunk of chunks) {
        file.set(chunk, at)
        at += chunk.length
      }
    },
  } as unknown as Spool
  return {
    spool,
    file,
    writes,
    finishOne: () => waiting.shift()!(),
    finishAll: () => setInterval(() => waiting.shift()?.(), 1),
    fail: (error: Error) => {
      failure = error
    },
  }
}

describe('a spool writer', () => {
  test('has copied a chunk once it takes the next, whatever their sizes', async () => {
    const content = seededBytes(1500 * KiB, 'writer')
    const { spool, file, finishAll, writes } = slowSpool()
    const timer = finishAll()
    const writer = createSpoolWriter(spool, 100, () => {})
    const chunk = new Uint8Array(700 * KiB) // the one memory that everything comes in
    for (let at = 0, step = 1; at < content.length; step = (step * 7 + 13) % (700 * KiB)) {
      const length = Math.min(step, content.length - at)
      chunk.set(content.subarray(at, at + length))
      await writer.push(chunk.subarray(0, length))
      chunk.fill(0)
      at += length
    }
    await writer.drain()
    clearInterval(timer)
    expect(Buffer.from(file.subarray(100, 100 + content.length)).equals(content)).toBe(true)
    expect(Math.max(...writes.map(([, length]) => length))).toBeLessThanOrEqual(768 * KiB)
  })

  test('has one write under way, and gathers no more than three buffers for the next', async () => {
    const { spool, writes, finishOne } = slowSpool()
    const writer = createSpoolWriter(spool, 0, () => {})
    for (let at = 0; at < 4; at++) expect(writer.push(new Uint8Array(256 * KiB))).toBeUndefined()
    let isTaken = false
    const fifth = writer.push(new Uint8Array(2 * KiB))!.then(() => {
      isTaken = true
    })
    await new Promise((resolve) => setTimeout(resolve, 1))
    expect([writes.length, isTaken]).toEqual([1, false])
    finishOne()
    await fifth
    expect(writes).toEqual([
      [0, 256 * KiB],
      [256 * KiB, 768 * KiB],
    ])
    finishOne()
    const drained = writer.drain()
    await new Promise((resolve) => setTimeout(resolve, 1))
    finishOne()
    await drained
    expect(writes[2]).toEqual([1024 * KiB, 2 * KiB])
  })

  test('writes what came during a write soon after it, though nothing more comes', async () => {
    const { spool, writes, finishOne } = slowSpool()
    const { promise: secondHeld, resolve } = Promise.withResolvers<void>()
    const writer = createSpoolWriter(spool, 0, () => writes.length === 2 && resolve())
    void writer.push(new Uint8Array(256 * KiB))
    void writer.push(new Uint8Array(10))
    await new Promise((go) => setTimeout(go, 30)) // its own pause for more is over
    finishOne()
    while (writes.length < 2) await new Promise((go) => setTimeout(go, 1))
    finishOne()
    await secondHeld
    expect(writes[1]).toEqual([256 * KiB, 10])
  })

  test('tells what a write failed with, and writes no more', async () => {
    const { spool, fail, finishOne, writes } = slowSpool()
    const writer = createSpoolWriter(spool, 0, () => {})
    fail(new Error('no room'))
    void writer.push(new Uint8Array(256 * KiB))
    finishOne()
    await expect(writer.drain()).rejects.toThrow('no room')
    await expect(writer.push(new Uint8Array(10))).rejects.toThrow('no room')
    expect(writes.length).toBe(1)
  })
})
