import { randomBytes } from 'node:crypto'
import { rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Opened, Serving } from '../../../src/catalog/catalog.ts'
import type { ByteSource } from '../../../src/model/byte-source.ts'
import { memorySource } from '../../../src/model/byte-source.ts'
import { Fault } from '../../../src/model/fault.ts'
import { createRemoteCatalog, type RemoteCatalog } from '../../../src/workers/remote-catalog.ts'
import { createService, type Service } from '../../../src/workers/service.ts'
import type { News } from '../../../src/workers/wire.ts'
import { createLine } from '../../kit/line.ts'
import { asking, blobNamed, manifestNamed } from '../../kit/questions.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'
import { digestOfBytes } from '../transfer/memory-house.ts'

const MiB = 1024 * 1024
const bytes = randomBytes(3 * MiB)
const digest = digestOfBytes(bytes)
let folder: TempFolder
let path: string
let house: { opened: () => Opened; questions: number; uses: number; disposed: number; news: News; used: number }
let service: Service
let catalog: RemoteCatalog
beforeEach(async () => {
  folder = await tempFolder()
  path = join(folder.path, 'blob')
  await writeFile(path, bytes)
  house = {
    opened: () => opened('disk', lying()),
    questions: 0,
    uses: 0,
    disposed: 0,
    used: 0,
    news: { isSigning: false, linksVersion: '1', hitsVersion: 1 },
  }
  service = createService({
    house: () => ({ catalog: served(), uses: { enter: () => house.uses++, leave: () => house.uses-- } }),
  })
  const line = createLine({ news: ([news]) => catalog.hear(news) }, service.answers)
  catalog = createRemoteCatalog(line.near, { maxBytes: MiB, news: house.news })
})
afterEach(async () => {
  catalog.close()
  await service.close()
  expect([house.uses, house.disposed]).toEqual([0, house.questions])
  await folder[Symbol.asyncDispose]()
})

function served(): Serving {
  return {
    ...house.news,
    places: () => [],
    openAtOnce: () => void house.used++,
    async open() {
      house.questions++
      return house.opened()
    },
  } as unknown as Serving
}

function opened(from: Opened['from'], source: ByteSource): Opened {
  const reference = blobNamed(digest)
  const artifact = { reference, mediaType: 'a/b', size: bytes.length, digests: [digest], freshUntil: Infinity, checkedAt: 0 }
  const dispose = source[Symbol.asyncDispose]
  return {
    artifact,
    outcome: { kind: 'hit' },
    from,
    bytes: Object.assign(source, {
      async [Symbol.asyncDispose]() {
        house.disposed++
        await dispose.call(source)
      },
    }),
  }
}

/** Bytes that lie in the file, and can be read by who has them. */
function lying(shown = bytes.length): ByteSource & { reads: number; shown: number } {
  const source = {
    reads: 0,
    shown,
    size: bytes.length,
    async read(into: Uint8Array, position: number) {
      source.reads++
      const part = bytes.subarray(position, Math.min(position + into.length, source.shown))
      into.set(part)
      return part.length
    },
    locate: async (position: number, most: number) => ({ path, count: Math.max(0, Math.min(most, source.shown - position)) }),
    async [Symbol.asyncDispose]() {},
  }
  return source
}

async function readAll(source: ByteSource, step = 256 * 1024): Promise<Buffer> {
  const { signal } = new AbortController()
  const parts: Buffer[] = []
  const into = Buffer.alloc(step)
  for (let at = 0, count = 1; count > 0; at += count) {
    count = await source.read(into, at, signal)
    parts.push(Buffer.from(into.subarray(0, count)))
  }
  return Buffer.concat(parts)
}

const open = () => catalog.open(blobNamed(digest), asking())

describe('what another process has open', () => {
  test('is read from its file, with nothing asked between its beginning and its end', async () => {
    const source = lying()
    house.opened = () => opened('disk', source)
    const { bytes: remote, artifact, from } = await open()
    expect([artifact.digests, artifact.freshUntil, from, remote.size]).toEqual([[digest], Infinity, 'disk', bytes.length])
    expect((await readAll(remote)).equals(bytes)).toBe(true)
    expect(source.reads).toBe(0)
    await remote[Symbol.asyncDispose]()
  })

  test('is read there where the file has another name by now', async () => {
    const { bytes: remote } = await open()
    await rm(path)
    expect((await readAll(remote)).equals(bytes)).toBe(true)
    await remote[Symbol.asyncDispose]()
  })

  test('is read there where the file is shorter than was said, but not once some of it was given', async () => {
    const { signal } = new AbortController()
    const whole = await open()
    await truncate(path, MiB)
    const early = await open()
    const into = Buffer.alloc(1000)
    expect(await early.bytes.read(into, 2 * MiB, signal)).toBe(1000)
    expect(into.equals(bytes.subarray(2 * MiB, 2 * MiB + 1000))).toBe(true)
    expect(await whole.bytes.read(into, 0, signal)).toBe(1000)
    await expect(whole.bytes.read(into, 2 * MiB, signal)).rejects.toMatchObject({ code: 'disk-failed' })
    for (const one of [whole, early]) await one.bytes[Symbol.asyncDispose]()
  })

  test('and is still coming in is read as far as it may be shown', async () => {
    const source = lying(2 * MiB)
    house.opened = () => opened('fill', source)
    const { bytes: remote } = await open()
    const { signal } = new AbortController()
    const into = Buffer.alloc(4 * MiB)
    expect(await remote.read(into, 0, signal)).toBe(2 * MiB)
    source.shown = bytes.length
    expect(await remote.read(into, 2 * MiB, signal)).toBe(MiB)
    expect(into.subarray(0, MiB).equals(bytes.subarray(2 * MiB))).toBe(true)
    source.locate = () => Promise.reject(new Fault('corrupt', { what: 'it', expected: 'a', actual: 'b' }))
    await expect(remote.read(into, 2 * MiB + 1, signal)).resolves.toBe(MiB - 1)
    await expect(remote.read(into, 10, signal)).rejects.toMatchObject({ code: 'corrupt' })
    await remote[Symbol.asyncDispose]()
  })

  test('and turns out to be wrong is not given to its end, though more of it was granted before', async () => {
    const source = lying(2 * MiB)
    house.opened = () => opened('fill', source)
    const { bytes: remote } = await open()
    const { signal } = new AbortController()
    const into = Buffer.alloc(MiB / 2)
    remote.aim!(0, MiB)
    expect(await remote.read(into, 0, signal)).toBe(MiB / 2)
    source.locate = () => Promise.reject(new Fault('corrupt', { what: 'it', expected: 'a', actual: 'b' }))
    await expect(remote.read(into, MiB / 2, signal)).rejects.toMatchObject({ code: 'corrupt' })
    await remote[Symbol.asyncDispose]()
  })

  test('is let go of when the process that asked for it is gone', async () => {
    await open()
    expect([house.uses, house.disposed]).toEqual([1, 0])
    await service.close()
    expect([house.uses, house.disposed]).toEqual([0, 1])
  })

  test('is let go of to the last, though one of it cannot be', async () => {
    const broken = lying()
    broken[Symbol.asyncDispose] = () => Promise.reject(new Fault('disk-failed', { path, why: 'EIO' }))
    house.opened = () => opened('disk', broken)
    await open()
    house.opened = () => opened('disk', lying())
    await open()
    await service.close()
    expect([house.uses, house.disposed]).toEqual([0, 2])
  })

  test('is let go of when whoever asked has left meanwhile', async () => {
    const control = new AbortController()
    house.opened = () => {
      control.abort(new Fault('cancelled', { what: 'it' }))
      return opened('disk', lying())
    }
    await expect(catalog.open(blobNamed(digest), asking({ signal: control.signal }))).rejects.toMatchObject({ code: 'cancelled' })
    await expect.poll(() => house.disposed).toBe(1)
  })
})

describe('what another process has in memory', () => {
  const small = bytes.subarray(0, 1000)
  const manifest = manifestNamed(digestOfBytes(small))
  beforeEach(() => {
    house.opened = () => opened('memory', memorySource(small))
    house.disposed = Number.NEGATIVE_INFINITY // such sources are not disposed of one by one
  })
  afterEach(() => {
    house.disposed = house.questions
  })

  test('is given at once the next time, until something that was known at once may be gone', async () => {
    expect(catalog.openAtOnce(manifest)).toBeUndefined()
    const first = await catalog.open(manifest, asking())
    expect((await readAll(first.bytes)).equals(small)).toBe(true)
    expect((await readAll(catalog.openAtOnce(manifest)!.bytes)).equals(small)).toBe(true)
    catalog.hear({ ...house.news, linksVersion: '2' })
    expect(catalog.openAtOnce(manifest)).toBeDefined()
    catalog.hear({ ...house.news, hitsVersion: 2 })
    expect(catalog.openAtOnce(manifest)).toBeUndefined()
    expect((await readAll((await catalog.open(manifest, asking())).bytes)).equals(small)).toBe(true)
    expect(house.questions).toBe(2)
  })

  test('is not given at once the next time where it was removed while it was on its way', async () => {
    house.opened = () => {
      catalog.hear({ ...house.news, hitsVersion: 2 })
      return opened('memory', memorySource(small))
    }
    expect((await readAll((await catalog.open(manifest, asking())).bytes)).equals(small)).toBe(true)
    expect(catalog.openAtOnce(manifest)).toBeUndefined()
  })

  test('keeps none of the message in memory that it came in', async () => {
    await catalog.open(manifest, asking())
    const { bytes } = catalog.openAtOnce(manifest)!.bytes as ReturnType<typeof memorySource>
    expect(bytes.buffer.byteLength).toBe(small.length)
  })

  test('is told to have been used there', async () => {
    await catalog.open(manifest, asking())
    for (let times = 0; times < 5; times++) catalog.openAtOnce(manifest)
    await expect.poll(() => house.used, { timeout: 5000 }).toBe(1)
  })
})
