import { describe, expect, test } from 'vitest'
import { ask, errorCodes, open } from '../kit/ask.ts'
import { blob, KiB, MiB } from '../kit/blobs.ts'
import { untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createWorld, lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(6 * MiB, 'herd')
const size = layer.bytes.length

describe('a herd on one cold blob', () => {
  test('forty readers at once cost the upstream one GET and each byte once', async () => {
    await using world = await createWorld()
    const { upstream, house } = world
    upstream.pushBlob('lab/tool', layer)
    const gate = upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(2 * MiB)
    const readers = await Promise.all(Array.from({ length: 40 }, () => open(world.blob('lab/tool', layer.digest))))
    await Promise.all(readers.map((reader) => reader.atLeast(MiB)))
    gate.open()
    const results = await Promise.all(readers.map((reader) => reader.rest()))
    expect(new Set(results.map(({ sha256, end }) => `${end} ${sha256}`))).toEqual(new Set([`clean ${layer.digest}`]))
    expect([upstream.bodies(layer.digest), upstream.bytesSent(layer.digest)]).toEqual([1, size])
    await untilHeld(house.storePath, layer.digest)
    expect(await wrongBlobsOn(house.storePath)).toEqual([])
  })

  test('late whole readers and readers of ranges join the fill that runs', async () => {
    await using world = await createWorld()
    const { upstream } = world
    upstream.pushBlob('lab/tool', layer)
    const url = world.blob('lab/tool', layer.digest)
    const gate = upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(3 * MiB)
    const first = await open(url)
    await first.atLeast(2 * MiB)
    const ranges = [
      'bytes=0-99',
      `bytes=${MiB}-${2 * MiB - 1}`,
      `bytes=${2 * MiB}-${4 * MiB}`,
      'bytes=-500',
      `bytes=${size - 1}-`,
    ]
    const late = await Promise.all(
      Array.from({ length: 20 }, (_, at) => {
        const range = ranges[at % (ranges.length + 1)]
        return open(url, { headers: range ? { range } : {} })
      }),
    )
    gate.open()
    for (const reader of late) {
      const { body, end } = await reader.rest()
      const span = spanOf(reader.headers['content-range'])
      expect(reader.status).toBe(reader.headers['content-range'] ? 206 : 200)
      expect(end).toBe('clean')
      expect(body.equals(layer.bytes.subarray(...span))).toBe(true)
    }
    expect(late.filter(({ status }) => status === 206)).toHaveLength(17)
    expect((await first.rest()).sha256).toBe(layer.digest)
    expect([upstream.bodies(layer.digest), upstream.bytesSent(layer.digest)]).toEqual([1, size])
  })

  test('a small blob, which is shown only whole, is fetched once too', async () => {
    await using world = await createWorld()
    const { upstream } = world
    const small = blob(200 * KiB, 'small')
    upstream.pushBlob('lab/tool', small)
    const gate = upstream.hold({ path: '/blobs/', method: 'GET' })
    const asked = Array.from({ length: 30 }, () => ask(world.blob('lab/tool', small.digest)))
    await gate.arrived()
    gate.release(100 * KiB)
    await gate.sent(100 * KiB)
    gate.open()
    const replies = await Promise.all(asked)
    expect(replies.map(({ sha256 }) => sha256)).toEqual(replies.map(() => small.digest))
    expect([upstream.bodies(small.digest), upstream.bytesSent(small.digest)]).toEqual([1, small.bytes.length])
  })

  test('a cold tag asked by many at once is one upstream GET of the manifest', async () => {
    await using world = await createWorld()
    const { upstream } = world
    const tool = image({ seed: 'herd' })
    upstream.push('lab/tool', tool, 'v1')
    const gate = upstream.hold({ path: '/manifests/', method: 'GET' })
    const asked = Array.from({ length: 25 }, () => ask(world.manifest('lab/tool', 'v1')))
    await gate.arrived()
    gate.open()
    for (const reply of await Promise.all(asked)) expect(reply.sha256).toBe(tool.manifest.digest)
    expect(upstream.count({ path: '/manifests/', method: 'GET' })).toBe(1)
  })

  test('the same bytes by another repository and by another upstream are not fetched again', async () => {
    await using other = await createFakeUpstream()
    await using world = await createWorld({ house: { upstreams: { 'other.example': { url: other.url } } } })
    const { upstream } = world
    upstream.pushBlob('lab/tool', layer)
    upstream.pushBlob('lab/fork', layer)
    other.pushBlob('else/where', layer)
    const gate = upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(2 * MiB)
    const there = urlsOf(world.house.url, 'other.example')
    const first = await open(world.blob('lab/tool', layer.digest))
    await first.atLeast(MiB)
    const readers = [first, await open(world.blob('lab/fork', layer.digest)), await open(there.blob('else/where', layer.digest))]
    gate.open()
    for (const reader of readers) expect((await reader.rest()).sha256).toBe(layer.digest)
    expect(upstream.bodies(layer.digest) + other.bodies(layer.digest)).toBe(1)
    expect(upstream.bytesSent(layer.digest) + other.bytesSent(layer.digest)).toBe(size)
  })

  test('when the upstream that gave the first bytes is gone, the one that a joiner asked by gives the rest', async () => {
    await using other = await createFakeUpstream()
    await using world = await createWorld({ house: { upstreams: { 'other.example': { url: other.url } } } })
    const { upstream } = world
    upstream.pushBlob('lab/tool', layer)
    other.pushBlob('else/where', layer)
    const gate = upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(3 * MiB)
    const first = await open(world.blob('lab/tool', layer.digest))
    await first.atLeast(2 * MiB)
    const second = await open(urlsOf(world.house.url, 'other.example').blob('else/where', layer.digest))
    await upstream.refuse()
    for (const reader of [first, second]) expect(await reader.rest()).toMatchObject({ sha256: layer.digest, end: 'clean' })
    expect(other.bytesSent(layer.digest)).toBeLessThan(0.7 * size)
  })

  test('a repository that does not have the blob gets 404 and no byte, while others are given it', async () => {
    await using world = await createWorld()
    const { upstream } = world
    upstream.pushBlob('lab/tool', layer)
    upstream.push('lab/poor', image(), 'v1')
    const gate = upstream.hold({ path: 'lab/tool/blobs/', method: 'GET' })
    gate.release(2 * MiB)
    const reader = await open(world.blob('lab/tool', layer.digest))
    await reader.atLeast(MiB)
    const refused = await ask(world.blob('lab/poor', layer.digest))
    expect([refused.status, errorCodes(refused)]).toEqual([404, ['BLOB_UNKNOWN']])
    gate.open()
    expect((await reader.rest()).sha256).toBe(layer.digest)
    const asked = upstream.requests.filter(({ method, path }) => method === 'GET' && path.includes('lab/poor/blobs/'))
    expect(asked.every(({ headers }) => headers.range === 'bytes=0-0')).toBe(true) // some deny to HEAD what they have
  })

  test('held bytes of a private upstream are given only through repositories that have them', async () => {
    const users = { ada: 'secret' }
    await using world = await createWorld({
      upstream: { auth: { kind: 'basic', users } },
      settings: { credentials: { username: 'ada', password: { env: 'FOREBAY_TEST_PASSWORD' } } },
      house: { env: { FOREBAY_TEST_PASSWORD: 'secret' } },
    })
    const { upstream, house } = world
    upstream.pushBlob('lab/tool', layer)
    upstream.push('lab/poor', image(), 'v1')
    expect((await ask(world.blob('lab/tool', layer.digest))).sha256).toBe(layer.digest)
    await untilHeld(house.storePath, layer.digest)
    const refused = await ask(world.blob('lab/poor', layer.digest))
    expect([refused.status, errorCodes(refused)]).toEqual([404, ['BLOB_UNKNOWN']])
    upstream.pushBlob('lab/fork', layer)
    expect((await ask(world.blob('lab/fork', layer.digest))).sha256).toBe(layer.digest)
    expect(upstream.bodies(layer.digest)).toBe(1)
  })

  test('bytes held from a private upstream are not given out under the name of a public one', async () => {
    await using secret = await createFakeUpstream({ auth: { kind: 'basic', users: { ada: 'secret' } } })
    await using world = await createWorld({
      house: {
        upstreams: {
          'secret.example': {
            url: secret.url,
            credentials: { username: 'ada', password: { env: 'FOREBAY_TEST_PASSWORD' } },
          },
        },
        env: { FOREBAY_TEST_PASSWORD: 'secret' },
      },
    })
    secret.pushBlob('lab/tool', layer)
    world.upstream.push('lab/tool', image(), 'v1')
    expect((await ask(urlsOf(world.house.url, 'secret.example').blob('lab/tool', layer.digest))).sha256).toBe(layer.digest)
    await untilHeld(world.house.storePath, layer.digest)
    const refused = await ask(world.blob('lab/tool', layer.digest))
    expect([refused.status, errorCodes(refused)]).toEqual([404, ['BLOB_UNKNOWN']])
    expect((await ask(`${world.house.url}/v2/${lab}/lab/tool/blobs/${layer.digest}`, { method: 'HEAD' })).status).toBe(404)
  })
})

function spanOf(contentRange: string | undefined): [number, number] {
  const match = /^bytes (\d+)-(\d+)\//.exec(contentRange ?? '')
  return match ? [Number(match[1]), Number(match[2]) + 1] : [0, size]
}
