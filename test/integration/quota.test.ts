import { afterEach, describe, expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { blob, type Content, MiB } from '../kit/blobs.ts'
import { blobsOn, filesBelow, spoolsOn, untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { type House, startHouse } from '../kit/house.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const repository = 'lab/tool'
const quota = 20 * MiB
const fiveOf = (count: number) => Array.from({ length: count }, (_, at) => blob(5 * MiB, `quota ${at}`))
const cleanups: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean()
})

interface Small {
  readonly upstream: FakeUpstream
  readonly storePath: string
  house: House
  pull(content: Content): Promise<void>
  restart(): Promise<void>
}

/** A house that may keep 20 MiB: three blobs of 5 MiB with what lies beside them. */
async function small(store: Readonly<Record<string, unknown>> = {}): Promise<Small> {
  const upstream = await createFakeUpstream()
  const folder = await tempFolder()
  const start = () =>
    startHouse({
      upstreams: { [lab]: { url: upstream.url } },
      defaults: { oci: lab },
      storePath: folder.path,
      more: { store: { path: folder.path, quota: `${quota}B`, memory: '0', ...store } },
    })
  const its: Small = {
    upstream,
    storePath: folder.path,
    house: await start(),
    async pull(content) {
      upstream.pushBlob(repository, content)
      expect(await ask(urlsOf(its.house.url).blob(repository, content.digest))).toMatchObject({
        status: 200,
        sha256: content.digest,
      })
      await untilHeld(folder.path, content.digest)
    },
    async restart() {
      await its.house.stop({ keep: true })
      its.house = await start()
    },
  }
  cleanups.push(
    async () => folder[Symbol.asyncDispose](),
    () => upstream.close(),
    () => its.house.stop({ keep: true }),
  )
  return its
}

const filesKept = async (store: string) => (await filesBelow(`${store}/blobs`)).length

describe('a store with a quota', () => {
  test('lets the least recently used go, keeps within it, and fetches again what went', async () => {
    const its = await small()
    const [a, b, c, d] = fiveOf(4) as [Content, Content, Content, Content]
    for (const one of [a, b, c]) await its.pull(one)
    expect((await ask(urlsOf(its.house.url).blob(repository, a.digest))).sha256).toBe(a.digest) // b is the oldest now
    await its.pull(d)
    expect([...(await blobsOn(its.storePath))].sort()).toEqual([a, c, d].map(({ digest }) => digest).sort())
    expect(await its.house.metric('store_bytes')).toBeLessThanOrEqual(quota)
    expect(await its.house.metric('store_evicted_bytes_total')).toBeGreaterThanOrEqual(b.bytes.length)
    await its.pull(b)
    expect(its.upstream.count({ path: b.digest, method: 'GET' })).toBe(2)
    await expect.poll(() => filesKept(its.storePath)).toBe(3 * 3) // each with its facts and pieces, and nothing left of the others
    expect(await wrongBlobsOn(its.storePath)).toEqual([])
  })

  test('the order of use survives a restart', async () => {
    const its = await small()
    const [a, b, c, d] = fiveOf(4) as [Content, Content, Content, Content]
    for (const one of [a, b, c]) await its.pull(one)
    expect((await ask(urlsOf(its.house.url).blob(repository, a.digest))).status).toBe(200)
    await its.restart()
    await expect.poll(() => its.house.metric('store_blobs')).toBe(3)
    await its.pull(d)
    expect(await blobsOn(its.storePath)).not.toContain(b.digest)
    expect(await blobsOn(its.storePath)).toContain(a.digest)
  })

  test('nothing goes that a client is reading', async () => {
    const its = await small()
    const large = blob(12 * MiB, 'read meanwhile') // more than sockets hold
    const [b, c] = fiveOf(2) as [Content, Content]
    for (const one of [large, b]) await its.pull(one)
    await its.restart() // readers of a fill read its spool; this one reads a blob
    await expect.poll(() => its.house.metric('store_blobs')).toBe(2)
    const reader = await open(urlsOf(its.house.url).blob(repository, large.digest))
    reader.pause()
    expect((await ask(urlsOf(its.house.url).blob(repository, b.digest))).status).toBe(200)
    await its.pull(c)
    expect([...(await blobsOn(its.storePath))].sort()).toEqual([large.digest, c.digest].sort())
    expect(await reader.rest()).toMatchObject({ end: 'clean', sha256: large.digest })
  })

  test('what is pinned stays: by the settings, and by name', async () => {
    const its = await small({ pins: ['lab.example/lab/kept:*'] })
    const kept = image({ seed: 'kept', layers: [5 * MiB] })
    its.upstream.push('lab/kept', kept, 'v1')
    const urls = urlsOf(its.house.url)
    expect((await ask(urls.manifest('lab/kept', 'v1'))).status).toBe(200)
    for (const { digest } of kept.blobs) {
      expect((await ask(urls.blob('lab/kept', digest))).sha256).toBe(digest)
      await untilHeld(its.storePath, digest)
    }
    for (const one of fiveOf(6)) await its.pull(one)
    const held = await blobsOn(its.storePath)
    for (const { digest } of [kept.manifest, ...kept.blobs]) expect(held).toContain(digest)
    expect(await its.house.metric('store_bytes')).toBeLessThanOrEqual(quota)
  })

  test('an image that lost a layer is pulled again, and only that layer is fetched', async () => {
    const its = await small()
    const tool = image({ seed: 'losing', layers: [5 * MiB, 2 * MiB] })
    its.upstream.push(repository, tool, 'v1')
    const urls = urlsOf(its.house.url)
    const pullAll = async () => {
      expect((await ask(urls.manifest(repository, 'v1'))).sha256).toBe(tool.manifest.digest)
      for (const { digest } of tool.blobs) {
        expect((await ask(urls.blob(repository, digest))).sha256).toBe(digest)
        await untilHeld(its.storePath, digest)
      }
    }
    await pullAll()
    const [, first] = tool.blobs as readonly Content[] // the config comes before the layers
    for (const { digest } of tool.blobs.filter((one) => one !== first))
      expect((await ask(urls.blob(repository, digest))).status).toBe(200)
    for (const one of fiveOf(3)) await its.pull(one)
    await pullAll()
    expect(await wrongBlobsOn(its.storePath)).toEqual([])
  })

  test('what an unfinished fill left goes before any blob', async () => {
    const its = await small()
    const [a, b, c] = fiveOf(3) as [Content, Content, Content]
    for (const one of [a, b]) await its.pull(one)
    its.upstream.pushBlob(repository, c)
    its.upstream.fault({ path: c.digest, method: 'GET', nth: 1 }, { stallAfter: 4 * MiB })
    const reader = await open(urlsOf(its.house.url).blob(repository, c.digest))
    await reader.atLeast(3 * MiB)
    await its.house.stop({ keep: true })
    expect(await spoolsOn(its.storePath)).toHaveLength(1)
    await its.restart()
    await expect.poll(() => its.house.metric('store_blobs')).toBe(2)
    await its.pull(blob(6 * MiB, 'instead'))
    expect(await spoolsOn(its.storePath)).toEqual([])
    expect([...(await blobsOn(its.storePath))]).toEqual(expect.arrayContaining([a.digest, b.digest]))
  })
})
