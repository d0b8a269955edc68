import { beforeEach, describe, expect, test } from 'vitest'
import { mending } from '../../../src/catalog/mending.ts'
import { createSoundStore } from '../../../src/catalog/sound-store.ts'
import { type ByteSource, memorySource } from '../../../src/model/byte-source.ts'
import type { BlobId } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { AtOnce, BlobStore } from '../../../src/store/blob-store.ts'
import { blob } from '../../kit/blobs.ts'
import { calm, collect, faultOf, idOf } from '../../kit/bytes.ts'
import { createRecordedLog } from '../../kit/recorded-log.ts'

const content = blob(100_000, 'sound')
const id = idOf(content)
const broken = (why: string) => new Fault('disk-failed', { path: '/store/blob', why })

/** Bytes on a disk: not `memorySource`, whose bytes are at hand. */
function onDisk(bytes: Uint8Array, fault?: { readonly at: number; readonly error: Fault }): ByteSource & { isOpen: boolean } {
  const { read } = memorySource(bytes)
  return {
    isOpen: true,
    size: bytes.length,
    async read(into, position, signal) {
      if (fault && position >= fault.at) throw fault.error
      return read(into, position, signal)
    },
    async [Symbol.asyncDispose]() {
      this.isOpen = false
    },
  }
}

describe('a store that may be relied on', () => {
  let aside: string[]
  let forgotten: number
  let recorded: number | undefined
  let stat: BlobStore['stat']
  let open: BlobStore['open']
  let quarantine: () => Promise<string | undefined>

  beforeEach(() => {
    aside = []
    forgotten = 0
    recorded = content.bytes.length
    stat = async () => ({ id, size: content.bytes.length, lastUsed: 0, path: '/store/blob' })
    open = async () => onDisk(content.bytes)
    quarantine = async () => '/quarantine/blob'
  })

  function sound() {
    const store = {
      stat: (id: BlobId) => stat(id),
      open: (id: BlobId) => open(id),
      async quarantine(_: BlobId, why: string) {
        aside.push(why)
        return quarantine()
      },
    } as unknown as BlobStore & AtOnce
    const vanished = async () => {
      forgotten++
    }
    return createSoundStore({ store, sizeOf: async () => recorded, vanished, log: createRecordedLog() })
  }

  test('gives what is as long as it was, or of which nobody knows how long it was', async () => {
    expect(await sound().stat(id)).toMatchObject({ size: content.bytes.length })
    expect((await collect((await sound().open(id))!)).equals(content.bytes)).toBe(true)
    recorded = undefined
    expect(await sound().stat(id)).toMatchObject({ size: content.bytes.length })
    expect([aside, forgotten]).toEqual([[], 0])
  })

  test('puts aside what is not', async () => {
    recorded = 100_001
    const store = sound()
    expect([await store.stat(id), await store.open(id)]).toEqual([undefined, undefined])
    expect(aside).toEqual(['it has 100000 bytes and had 100001', 'it has 100000 bytes and had 100001'])
  })

  test('forgets what is not there any more, and only that', async () => {
    stat = async () => undefined
    expect(await sound().stat(id)).toBeUndefined()
    expect(forgotten).toBe(1)
    let asked = 0
    stat = async () => (asked++ === 0 ? undefined : { id, size: content.bytes.length, lastUsed: 0, path: '/store/blob' })
    expect(await sound().stat(id)).toBeDefined() // it has just come
    stat = async () => Promise.reject(broken('EMFILE: too many open files'))
    expect(await sound().stat(id)).toBeUndefined()
    expect([forgotten, aside]).toEqual([1, []])
  })

  test.each([
    { why: 'EIO: i/o error', isBad: true },
    { why: 'EACCES: permission denied', isBad: true },
    { why: 'it ends at 5 of 10', isBad: true },
    { why: 'EMFILE: too many open files', isBad: false },
    { why: 'ENOMEM: not enough memory', isBad: false },
    { why: 'the hashing thread ended', isBad: false },
  ])('$why: bad is $isBad', async ({ why, isBad }) => {
    open = async () => Promise.reject(broken(why))
    expect(await sound().open(id)).toBeUndefined()
    expect(aside).toHaveLength(isBad ? 1 : 0)
    open = async () => onDisk(content.bytes, { at: 0, error: broken(why) })
    expect(await faultOf(collect((await sound().open(id))!))).toBe('disk-failed')
    expect(aside).toHaveLength(isBad ? 2 : 0)
  })

  test('does not put aside what took the place of what it did', async () => {
    open = async () => onDisk(content.bytes, { at: 0, error: broken('EIO: i/o error') })
    const store = sound()
    const readers = [(await store.open(id))!, (await store.open(id))!, (await store.open(id))!]
    for (const reader of readers) expect(await faultOf(collect(reader))).toBe('disk-failed')
    expect(aside).toHaveLength(1)
    expect(await faultOf(collect((await store.open(id))!))).toBe('disk-failed')
    expect(aside).toHaveLength(2)
  })

  test('lets nobody go on before it is put aside, and is not stopped by that failing', async () => {
    const { promise, reject } = Promise.withResolvers<string>()
    quarantine = () => promise
    open = async () => Promise.reject(broken('EIO: i/o error'))
    const store = sound()
    let isOver = 0
    const both = [store.open(id), store.open(id)].map((one) => one.then(() => isOver++))
    await new Promise((go) => setImmediate(go))
    expect(isOver).toBe(0)
    reject(broken('EROFS: read-only file system'))
    await Promise.all(both)
    expect(aside).toHaveLength(1)
  })

  test('what is damaged otherwise is told as it is', async () => {
    open = async () => Promise.reject(new Error('a mistake'))
    await expect(sound().open(id)).rejects.toThrow('a mistake')
  })
})

describe('mending', () => {
  const eio = broken('EIO: i/o error')

  test('reads on from somewhere else where nothing was given yet', async () => {
    const [held, other] = [onDisk(content.bytes, { at: 0, error: eio }), onDisk(content.bytes)]
    const bytes = mending(held, async () => other)
    expect((await collect(bytes)).equals(content.bytes)).toBe(true)
    expect([held.isOpen, other.isOpen]).toEqual([false, true])
    await bytes[Symbol.asyncDispose]()
    expect(other.isOpen).toBe(false)
  })

  test('but not where something was', async () => {
    const bytes = mending(onDisk(content.bytes, { at: 50_000, error: eio }), async () => onDisk(content.bytes))
    expect(await faultOf(collect(bytes))).toBe('disk-failed')
  })

  test('nor from something longer or shorter', async () => {
    const other = onDisk(content.bytes.subarray(1))
    const bytes = mending(onDisk(content.bytes, { at: 0, error: eio }), async () => other)
    expect(await faultOf(collect(bytes))).toBe('source-changed')
    expect(other.isOpen).toBe(false)
  })

  test('nor after anything that is not the disk', async () => {
    const cancelled = new Fault('cancelled', { what: 'this' })
    const bytes = mending(onDisk(content.bytes, { at: 0, error: cancelled }), async () => onDisk(content.bytes))
    expect(await faultOf(collect(bytes))).toBe('cancelled')
  })

  test('leaves nothing open for a reader who has gone meanwhile', async () => {
    const other = onDisk(content.bytes)
    const found = Promise.withResolvers<ByteSource>()
    const bytes = mending(onDisk(content.bytes, { at: 0, error: eio }), () => found.promise)
    const reading = bytes.read(Buffer.alloc(10), 0, calm)
    await bytes[Symbol.asyncDispose]()
    found.resolve(other)
    expect(await faultOf(reading)).toBeDefined()
    expect(other.isOpen).toBe(false)
  })
})
