import { describe, expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { untilHeld } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { type House, startHouse } from '../kit/house.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { deadPort } from '../kit/ports.ts'
import { createWorld, lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(6 * MiB, 'sibling')
const own = (house: Pick<House, 'url'>, digest: string) => `${house.url}/blobs/${digest.replace(':', '/')}`
const onlyIfCached = { headers: { 'cache-control': 'only-if-cached' } }

describe('a question with only-if-cached', () => {
  test('for a blob that is known and not held is answered 504, and no upstream hears of it', async () => {
    await using world = await createWorld()
    const tool = image({ seed: 'known', layers: [2 * MiB] })
    world.upstream.push('lab/tool', tool, '1')
    await ask(world.manifest('lab/tool', '1'))
    const before = world.upstream.requests.length
    for (const { digest } of tool.blobs)
      for (const method of ['GET', 'HEAD'])
        expect((await ask(own(world.house, digest), { ...onlyIfCached, method })).status).toBe(504)
    expect(world.upstream.requests).toHaveLength(before)
  })

  test('for a blob nobody has heard of makes no request either', async () => {
    await using world = await createWorld()
    world.upstream.pushBlob('lab/tool', layer)
    expect((await ask(own(world.house, layer.digest), onlyIfCached)).status).toBe(404)
    expect((await ask(world.blob('lab/tool', layer.digest), onlyIfCached)).status).toBe(504)
    expect(world.upstream.requests).toEqual([])
  })

  test('for a blob that is held is answered with it', async () => {
    await using world = await createWorld()
    world.upstream.pushBlob('lab/tool', layer)
    await ask(world.blob('lab/tool', layer.digest))
    await untilHeld(world.house.storePath, layer.digest)
    expect((await ask(own(world.house, layer.digest), onlyIfCached)).sha256).toBe(layer.digest)
  })

  test('for a blob on its way in is answered 504 at once, not with a wait', async () => {
    await using world = await createWorld()
    world.upstream.pushBlob('lab/tool', layer)
    const gate = world.upstream.hold({ method: 'GET' })
    const reader = open(world.blob('lab/tool', layer.digest))
    await gate.arrived()
    expect((await ask(own(world.house, layer.digest), onlyIfCached)).status).toBe(504)
    gate.open()
    expect((await (await reader).rest()).sha256).toBe(layer.digest)
  })
})

/** Two houses of one upstream, each the other's mirror. */
async function twoHouses() {
  const upstream = await createFakeUpstream()
  const [portA, portB] = [await deadPort(), await deadPort()]
  const start = (port: number, other: number) =>
    startHouse({
      upstreams: { [lab]: { url: upstream.url, mirrors: [{ kind: 'forebay', url: `http://127.0.0.1:${other}` }] } },
      defaults: { oci: lab },
      more: { listen: { host: '127.0.0.1', port } },
    })
  const a = await start(portA, portB)
  const b = await start(portB, portA)
  return {
    upstream,
    a,
    b,
    blob: (house: House, digest: string) => urlsOf(house.url).blob('lab/tool', digest),
    manifest: (house: House) => urlsOf(house.url).manifest('lab/tool', '1'),
    async [Symbol.asyncDispose]() {
      await upstream.close()
      await a.stop()
      await b.stop()
    },
  }
}

describe('two that are each other’s mirror', () => {
  test('fetch from outside once in all: what one has, the other takes from it', async () => {
    await using two = await twoHouses()
    const tool = image({ seed: 'once', layers: [2 * MiB] })
    two.upstream.push('lab/tool', tool, '1')
    const { digest } = tool.blobs[1]!
    for (const house of [two.a, two.b]) {
      expect((await ask(two.manifest(house))).status).toBe(200)
      expect((await ask(two.blob(house, digest))).sha256).toBe(digest)
      await untilHeld(house.storePath, digest)
    }
    expect(two.upstream.bodies(digest)).toBe(1)
  })

  test('both ask the upstream when neither has it, and never wait for each other', async () => {
    await using two = await twoHouses()
    const tool = image({ seed: 'both', layers: [2 * MiB, 3000, 4 * MiB] })
    two.upstream.push('lab/tool', tool, '1')
    for (const house of [two.a, two.b]) await ask(two.manifest(house))
    const startedAt = performance.now()
    const replies = await Promise.all(
      [two.a, two.b].flatMap((house) => tool.blobs.map(({ digest }) => ask(two.blob(house, digest)))),
    )
    expect(replies.map(({ sha256 }) => sha256)).toEqual([...tool.blobs, ...tool.blobs].map(({ digest }) => digest))
    expect(performance.now() - startedAt).toBeLessThan(30_000)
    for (const { digest } of tool.blobs) expect(two.upstream.bodies(digest)).toBeLessThanOrEqual(2)
  })

  test('do not list each other for what neither has', async () => {
    await using two = await twoHouses()
    const tool = image({ seed: 'neither', layers: [2 * MiB] })
    two.upstream.push('lab/tool', tool, '1')
    for (const house of [two.a, two.b]) await ask(two.manifest(house))
    const { digest } = tool.blobs[1]!
    const document = async () => (await ask(`${own(two.a, digest)}.meta4`)).body.toString()
    expect(await document()).not.toContain(two.b.url)
  })

  test('do not think each other ill for not having things', async () => {
    await using two = await twoHouses()
    const tool = image({ seed: 'ill', layers: [1000, 2000, 3000, 4000, 5000, 6000] })
    two.upstream.push('lab/tool', tool, '1')
    for (const house of [two.a, two.b]) await ask(two.manifest(house))
    const [last, ...others] = [...tool.blobs].reverse()
    for (const { digest } of others) expect((await ask(two.blob(two.a, digest))).sha256).toBe(digest)
    expect((await ask(two.blob(two.b, last!.digest))).sha256).toBe(last!.digest)
    await untilHeld(two.b.storePath, last!.digest)
    expect((await ask(two.blob(two.a, last!.digest))).sha256).toBe(last!.digest)
    expect(two.upstream.bodies(last!.digest)).toBe(1)
  })
})
