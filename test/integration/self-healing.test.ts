import { readFile, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { blob, type Content, MiB } from '../kit/blobs.ts'
import { blobPath, blobsOn, filesBelow, sizeOf, untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { type House, startHouse } from '../kit/house.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { type TempFolder, tempFolder } from '../kit/temp-folder.ts'
import { lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const repository = 'lab/tool'
const large = blob(5 * MiB, 'healing')
const small = blob(20_000, 'healing')
const tool = image({ seed: 'healing', layers: [1000] })

type Harm = (path: string) => Promise<void>

const shorten: Harm = async (path) => truncate(path, (await sizeOf(path)) >> 1)
const empty: Harm = async (path) => truncate(path, 0)
const lengthen: Harm = async (path) => writeFile(path, Buffer.alloc(100), { flag: 'a' })
const flip: Harm = async (path) => {
  const bytes = await readFile(path)
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(path, bytes)
}
const remove: Harm = async (path) => unlink(path)
/** Whoever looks at it is told of an error: what a damaged file system does too. */
const ruin: Harm = async (path) => {
  await unlink(path)
  await symlink(path, path)
}

describe('what is held is damaged, and', () => {
  let upstream: FakeUpstream
  let folder: TempFolder
  let house: House
  let url: (content: Content) => string

  async function start(store: Readonly<Record<string, unknown>> = {}): Promise<void> {
    house = await startHouse({
      upstreams: { [lab]: { url: upstream.url } },
      defaults: { oci: lab },
      storePath: folder.path,
      more: { store: { path: folder.path, scrub: { rate: '0' }, ...store } },
    })
    url = (content) => urlsOf(house.url).blob(repository, content.digest)
  }

  /** Harms it while nobody is there to see it. */
  async function harmed(content: Content, harm: Harm, store: Readonly<Record<string, unknown>> = {}): Promise<void> {
    await house.stop({ keep: true })
    await harm(await blobPath(folder.path, content.digest))
    await start(store)
  }

  beforeEach(async () => {
    upstream = await createFakeUpstream()
    folder = await tempFolder()
    upstream.push(repository, tool, 'v1')
    await start()
    for (const content of [large, small]) {
      upstream.pushBlob(repository, content)
      expect((await ask(url(content))).sha256).toBe(content.digest)
      await untilHeld(folder.path, content.digest)
    }
    for (const pointer of ['v1', tool.manifest.digest])
      expect((await ask(urlsOf(house.url).manifest(repository, pointer))).sha256).toBe(tool.manifest.digest)
  })
  afterEach(async () => {
    await house.stop({ keep: true })
    await upstream.close()
    await folder[Symbol.asyncDispose]()
  })

  const fetched = (content: Content) => upstream.count({ path: content.digest, method: 'GET' })
  const quarantined = () => filesBelow(join(folder.path, 'quarantine'))

  async function expectHealed(content: Content): Promise<void> {
    await untilHeld(folder.path, content.digest)
    expect(await wrongBlobsOn(folder.path)).toEqual([])
    expect(await ask(url(content))).toMatchObject({ status: 200, end: 'clean', sha256: content.digest })
    expect(fetched(content)).toBe(2) // once before
  }

  const harms = [
    { how: 'shorter', harm: shorten, isKept: true },
    { how: 'empty', harm: empty, isKept: true },
    { how: 'longer', harm: lengthen, isKept: true },
    { how: 'unreadable', harm: ruin, isKept: false },
    { how: 'gone', harm: remove, isKept: false },
  ]
  const cases = harms.flatMap((one) => [
    { ...one, size: 'large', content: large },
    { ...one, size: 'small', content: small },
  ])

  test.each(cases)('a $size blob that is $how is fetched anew for whoever asks, unseen', async ({ content, harm, isKept }) => {
    await harmed(content, harm)
    expect(await ask(url(content))).toMatchObject({ status: 200, end: 'clean', sha256: content.digest })
    await expectHealed(content)
    expect(await house.metric('store_bad_blobs_total')).toBe(harm === remove ? 0 : 1)
    if (isKept) expect(await quarantined()).toEqual([content.digest.slice('sha256:'.length)])
  })

  test('a HEAD tells the right size, and a part is the right part', async () => {
    await harmed(large, shorten)
    expect((await ask(url(large), { method: 'HEAD' })).headers['content-length']).toBe(String(large.bytes.length))
    const part = await ask(url(large), { headers: { range: 'bytes=4000000-4000099' } })
    expect([part.status, part.end]).toEqual([206, 'clean'])
    expect(part.body.equals(large.bytes.subarray(4_000_000, 4_000_100))).toBe(true)
  })

  test('nothing short is given for it while the upstream is away', async () => {
    await harmed(large, shorten)
    await upstream.close()
    const reply = await ask(url(large))
    expect([reply.status, reply.end]).toEqual([502, 'clean'])
  })

  test('a file that is cut short under those who have it open is noticed before they are told anything wrong', async () => {
    await house.stop({ keep: true })
    await start() // who read it while it came have another file
    expect((await ask(url(large))).sha256).toBe(large.digest)
    await truncate(await blobPath(folder.path, large.digest), 1000)
    expect(await ask(url(large))).toMatchObject({ status: 200, end: 'clean', sha256: large.digest })
    await expectHealed(large)
  })

  test('who was given some of it already is cut, and the next is not', async () => {
    const huge = blob(24 * MiB, 'healing') // more than sockets hold
    upstream.pushBlob(repository, huge)
    expect((await ask(url(huge))).sha256).toBe(huge.digest)
    await untilHeld(folder.path, huge.digest)
    await house.stop({ keep: true })
    await start()
    const reader = await open(url(huge))
    await reader.atLeast(MiB)
    reader.pause()
    await truncate(await blobPath(folder.path, huge.digest), 20 * MiB)
    expect((await reader.rest()).end).toBe('cut')
    expect(await ask(url(huge))).toMatchObject({ status: 200, end: 'clean', sha256: huge.digest })
  })

  test.each(harms)('a manifest that is $how is fetched anew, by tag and by digest', async ({ harm }) => {
    for (const pointer of ['v1', tool.manifest.digest]) {
      await harmed(tool.manifest, harm)
      const reply = await ask(urlsOf(house.url).manifest(repository, pointer))
      expect(reply).toMatchObject({ status: 200, end: 'clean', sha256: tool.manifest.digest })
      await untilHeld(folder.path, tool.manifest.digest)
    }
    expect(await wrongBlobsOn(folder.path)).toEqual([])
  })

  test.each([{ memory: '256MiB' }, { memory: '0' }])('so is one with memory of $memory that is shorter', async (store) => {
    await harmed(tool.manifest, shorten, store)
    const reply = await ask(urlsOf(house.url).manifest(repository, 'v1'))
    expect(reply).toMatchObject({ status: 200, sha256: tool.manifest.digest })
  })

  test('what is small is looked at when it is read into memory', async () => {
    for (const content of [small, tool.manifest]) {
      await harmed(content, flip)
      const { blob, manifest } = urlsOf(house.url)
      const asked = content === small ? blob(repository, small.digest) : manifest(repository, 'v1')
      expect(await ask(asked)).toMatchObject({ status: 200, end: 'clean', sha256: content.digest })
      expect(await quarantined()).toContain(content.digest.slice('sha256:'.length))
    }
  })

  test('how long it was is known without the records too', async () => {
    await house.stop({ keep: true })
    await shorten(await blobPath(folder.path, large.digest))
    for (const suffix of ['', '-wal', '-shm']) await rm(join(folder.path, `records.db${suffix}`), { force: true })
    await start()
    expect(await ask(url(large))).toMatchObject({ status: 200, end: 'clean', sha256: large.digest })
    await expectHealed(large)
  })

  test('scrubbing finds what nobody asked for', async () => {
    await harmed(large, flip, { scrub: { rate: '1GiB' } })
    await expect.poll(quarantined, { timeout: 20_000 }).toEqual([large.digest.slice('sha256:'.length)])
    expect(await blobsOn(folder.path)).not.toContain(large.digest)
    expect(await house.metric('store_bad_blobs_total')).toBe(1)
    expect(await house.metric('store_scrubbed_bytes_total')).toBeGreaterThanOrEqual(large.bytes.length)
    expect(await ask(url(large))).toMatchObject({ status: 200, end: 'clean', sha256: large.digest })
    await expectHealed(large)
  })
})
