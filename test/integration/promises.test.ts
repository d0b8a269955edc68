import { readdir, rm, stat, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { blob, content, MiB, seededBytes } from '../kit/blobs.ts'
import { blobPath, blobsOn, filesBelow, untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import { startHouse } from '../kit/house.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createWorld, lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(6 * MiB, 'promises')
const size = layer.bytes.length
const gets = { path: '/blobs/', method: 'GET' } as const

describe('the house keeps its promise', () => {
  test('1: readers follow the spool, so thirty that stand still hold up neither the fill nor the one that reads', async () => {
    await using world = await createWorld()
    world.upstream.pushBlob('lab/tool', layer)
    const url = world.blob('lab/tool', layer.digest)
    const still = await Promise.all(Array.from({ length: 30 }, () => open(url)))
    for (const reader of still) reader.pause()
    expect(await ask(url)).toMatchObject({ sha256: layer.digest, end: 'clean' })
    await untilHeld(world.house.storePath, layer.digest)
    await world.upstream.refuse()
    for (const reader of still) expect(await reader.rest()).toMatchObject({ sha256: layer.digest, end: 'clean' })
    expect(world.upstream.bytesSent(layer.digest)).toBe(size)
  })

  test('2: the last byte waits for the digest, though all others are out', async () => {
    await using world = await createWorld()
    world.upstream.pushBlob('lab/tool', layer)
    const gate = world.upstream.hold(gets)
    gate.release(size - 1)
    const reader = await open(world.blob('lab/tool', layer.digest))
    expect((await reader.atLeast(size - 1)).length).toBe(size - 1)
    gate.open()
    expect(await reader.rest()).toMatchObject({ sha256: layer.digest, end: 'clean' })
  })

  test('2: the last byte of wrong bytes never comes, to readers of the whole and of the end', async () => {
    await using world = await createWorld()
    world.upstream.pushBlob('lab/tool', layer)
    world.upstream.fault(gets, { flipAt: 100 })
    const url = world.blob('lab/tool', layer.digest)
    const [whole, tail] = await Promise.all([ask(url), ask(url, { headers: { range: 'bytes=-10' } })])
    for (const [reply, length] of [
      [whole, size],
      [tail, 10],
    ] as const) {
      if (reply.status >= 500) continue // it had been given nothing yet
      expect([reply.end, reply.body.length < length]).toEqual(['cut', true])
    }
    expect(await blobsOn(world.house.storePath)).toEqual([])
  })

  test('3: who leaves ends nothing for others, and a fill nobody waits for is finished', async () => {
    await using world = await createWorld()
    world.upstream.pushBlob('lab/tool', layer)
    const gate = world.upstream.hold(gets)
    gate.release(5 * MiB)
    const url = world.blob('lab/tool', layer.digest)
    const readers = await Promise.all([open(url), open(url), open(url)])
    for (const reader of readers) await reader.atLeast(MiB)
    readers[0]!.leave()
    readers[1]!.leave()
    gate.release(size - 10)
    expect((await readers[2]!.atLeast(size - 10)).length).toBeGreaterThanOrEqual(size - 10)
    readers[2]!.leave()
    gate.open()
    await untilHeld(world.house.storePath, layer.digest)
    expect(world.upstream.bytesSent(layer.digest)).toBe(size)
  })

  test('4: on disk a blob has the name of its sha256, whatever it was asked by', async () => {
    await using world = await createWorld()
    const named = content(seededBytes(50_000, 'sha512'), undefined, 'sha512')
    world.upstream.pushBlob('lab/tool', named)
    const url = world.blob('lab/tool', named.digest)
    const reply = await ask(url)
    await untilHeld(world.house.storePath, reply.sha256)
    expect(await blobsOn(world.house.storePath)).toEqual([reply.sha256])
    world.upstream.pushBlob('lab/tool', content(named.bytes))
    const again = await ask(world.blob('lab/tool', reply.sha256))
    expect(again.body.equals(named.bytes)).toBe(true)
    expect(world.upstream.bodies(named.digest) + world.upstream.bodies(reply.sha256)).toBe(1)
  })

  // 5, committed means durable: crash.test.ts

  test('6: last use is kept with the files, whether disk or memory gave the bytes', async () => {
    await using world = await createWorld()
    const small = blob(3000, 'last use')
    world.upstream.pushBlob('lab/tool', layer, small)
    const urls = [layer, small].map(({ digest }) => world.blob('lab/tool', digest))
    for (const url of urls) await ask(url)
    const files = []
    for (const { digest } of [layer, small]) {
      await untilHeld(world.house.storePath, digest)
      files.push(await blobPath(world.house.storePath, digest))
    }
    const { storePath } = world.house
    await world.house.stop({ keep: true })
    const longAgo = new Date('2001-01-01')
    for (const file of files) await utimes(file, longAgo, longAgo)
    const settings = { upstreams: { [lab]: { url: world.upstream.url } }, defaults: { oci: lab }, storePath }
    {
      await using again = await startHouse(settings)
      for (const { digest } of [layer, small, small]) await ask(urlsOf(again.url).blob('lab/tool', digest))
    }
    for (const file of files) expect((await stat(file)).mtimeMs).toBeGreaterThan(Date.now() - 60_000)
  })

  test('6: bytes are the truth, so records that are gone are built again', async () => {
    await using world = await createWorld({ settings: { freshFor: '1h' } })
    const tool = image({ seed: 'promises', layers: [MiB + 5, 3000] })
    world.upstream.push('lab/tool', tool, 'v1')
    const urls = (base: string) => [
      urlsOf(base).manifest('lab/tool', 'v1'),
      urlsOf(base).manifest('lab/tool', tool.manifest.digest),
      ...tool.blobs.map(({ digest }) => urlsOf(base).blob('lab/tool', digest)),
    ]
    const before = []
    for (const url of urls(world.house.url)) before.push(await ask(url))
    for (const { digest } of tool.blobs) await untilHeld(world.house.storePath, digest)
    await world.house.stop({ keep: true })
    const { storePath } = world.house
    for (const file of await readdir(storePath)) if (file.startsWith('records')) await rm(join(storePath, file))
    expect((await filesBelow(storePath)).filter((file) => file.startsWith('records'))).toEqual([])
    await world.upstream.refuse()
    await using again = await startHouse({
      upstreams: { [lab]: { url: world.upstream.url, freshFor: '1h' } },
      defaults: { oci: lab },
      storePath,
    })
    for (const [at, url] of urls(again.url).entries()) {
      const reply = await ask(url)
      expect([url, reply.status, reply.sha256]).toEqual([url, 200, before[at]!.sha256])
      for (const name of ['content-type', 'content-length', 'docker-content-digest', 'etag', 'digest'])
        expect([url, name, reply.headers[name]]).toEqual([url, name, before[at]!.headers[name]])
    }
  })

  test('7: a hit waits for no upstream, though every question to it hangs', async () => {
    await using world = await createWorld({ settings: { freshFor: '1h' } })
    const tool = image({ seed: 'hit', layers: [MiB + 5] })
    world.upstream.push('lab/tool', tool, 'v1')
    const urls = [
      world.manifest('lab/tool', 'v1'),
      world.manifest('lab/tool', tool.manifest.digest),
      ...tool.blobs.map(({ digest }) => world.blob('lab/tool', digest)),
    ]
    for (const url of urls) await ask(url)
    for (const { digest } of tool.blobs) await untilHeld(world.house.storePath, digest)
    world.upstream.fault({}, { stall: 'for ever' })
    const count = world.upstream.requests.length
    for (const url of urls) {
      const reply = await ask(url)
      expect(reply.status).toBe(200)
      expect(reply.firstByteMs).toBeLessThan(5_000)
    }
    expect(world.upstream.requests.length).toBe(count)
    expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
  })
})
