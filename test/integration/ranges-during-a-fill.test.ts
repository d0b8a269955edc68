import { describe, expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { blob, KiB, MiB } from '../kit/blobs.ts'
import { untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { readParts } from '../kit/multipart.ts'
import { createWorld } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(20 * MiB, 'ranges')
const size = layer.bytes.length

/** A world whose upstream has sent the first `released` bytes of the layer and waits; later GETs are not held. */
async function duringAFill(released: number) {
  const world = await createWorld()
  world.upstream.pushBlob('lab/tool', layer)
  const gate = world.upstream.hold({ path: '/blobs/', method: 'GET', nth: 1 })
  gate.release(released)
  const url = world.blob('lab/tool', layer.digest)
  const whole = await open(url)
  await whole.atLeast(released - 64 * KiB)
  return { world, gate, url, whole, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

const upstreamRanges = (requests: readonly { method: string; headers: { range?: string } }[]) =>
  requests.flatMap(({ method, headers }) => (method === 'GET' && headers.range ? [headers.range] : []))

describe('a range asked for while the blob comes in', () => {
  test('is answered from what is there, without another upstream request', async () => {
    await using fill = await duringAFill(2 * MiB)
    const reply = await ask(fill.url, { headers: { range: `bytes=1000-${MiB - 1}` } })
    expect([reply.status, reply.end]).toEqual([206, 'clean'])
    expect(reply.headers['content-range']).toBe(`bytes 1000-${MiB - 1}/${size}`)
    expect(reply.headers['content-length']).toBe(String(MiB - 1000))
    expect(reply.body.equals(layer.bytes.subarray(1000, MiB))).toBe(true)
    expect(fill.world.upstream.bodies(layer.digest)).toBe(1)
    fill.gate.open()
    expect((await fill.whole.rest()).sha256).toBe(layer.digest)
  })

  test('a little ahead of the front waits for the front', async () => {
    await using fill = await duringAFill(2 * MiB)
    const reader = await open(fill.url, { headers: { range: `bytes=${3 * MiB}-${3 * MiB + 9}` } })
    fill.gate.release(4 * MiB)
    expect((await reader.rest()).body.equals(layer.bytes.subarray(3 * MiB, 3 * MiB + 10))).toBe(true)
    fill.gate.open()
    expect((await fill.whole.rest()).sha256).toBe(layer.digest)
    expect(fill.world.upstream.bodies(layer.digest)).toBe(1)
  })

  test('far ahead of the front gets an upstream range request of its own, and the fill uses those bytes', async () => {
    await using fill = await duringAFill(2 * MiB)
    const from = 14 * MiB
    const to = 15 * MiB
    const reply = await ask(fill.url, { headers: { range: `bytes=${from}-${to - 1}` } })
    expect([reply.status, reply.end]).toEqual([206, 'clean'])
    expect(reply.body.equals(layer.bytes.subarray(from, to))).toBe(true)
    expect(upstreamRanges(fill.world.upstream.requests)).toEqual([`bytes=${from}-${to - 1}`])
    fill.gate.open()
    expect((await fill.whole.rest()).sha256).toBe(layer.digest)
    await untilHeld(fill.world.house.storePath, layer.digest)
    expect(await wrongBlobsOn(fill.world.house.storePath)).toEqual([])
  })

  test('a suffix is given at once but for the last byte, which waits until the whole agrees', async () => {
    await using fill = await duringAFill(2 * MiB)
    const reader = await open(fill.url, { headers: { range: 'bytes=-1000' } })
    expect([reader.status, reader.headers['content-range']]).toEqual([206, `bytes ${size - 1000}-${size - 1}/${size}`])
    expect((await reader.atLeast(999)).length).toBe(999)
    expect((await fill.whole.atLeast(MiB)).length).toBeLessThan(3 * MiB)
    fill.gate.open()
    const { body, end } = await reader.rest()
    expect([end, body.equals(layer.bytes.subarray(size - 1000))]).toEqual(['clean', true])
    expect((await fill.whole.rest()).sha256).toBe(layer.digest)
  })

  test('open-ended, read for a part and closed, as containerd does, leaves the fill alone', async () => {
    await using fill = await duringAFill(4 * MiB)
    for (const start of [0, MiB, 2 * MiB, 3 * MiB, 2 * MiB]) {
      const reader = await open(fill.url, { headers: { range: `bytes=${start}-` } })
      expect(reader.status).toBe(206)
      const wanted = 512 * KiB
      expect((await reader.atLeast(wanted)).subarray(0, wanted).equals(layer.bytes.subarray(start, start + wanted))).toBe(true)
      reader.leave()
    }
    fill.gate.open()
    const { sha256, end } = await fill.whole.rest()
    expect([sha256, end]).toEqual([layer.digest, 'clean'])
    expect([fill.world.upstream.bodies(layer.digest), fill.world.upstream.bytesSent(layer.digest)]).toEqual([1, size])
  })

  test('of several parts comes as multipart/byteranges', async () => {
    await using fill = await duringAFill(2 * MiB)
    const reply = await ask(fill.url, { headers: { range: `bytes=0-9, 100-199 ,${MiB}-${MiB + 4}` } })
    expect([reply.status, reply.end]).toEqual([206, 'clean'])
    expect(reply.headers['content-length']).toBe(String(reply.body.length))
    expect(readParts(reply)).toEqual([
      { contentRange: `bytes 0-9/${size}`, bytes: layer.bytes.subarray(0, 10) },
      { contentRange: `bytes 100-199/${size}`, bytes: layer.bytes.subarray(100, 200) },
      { contentRange: `bytes ${MiB}-${MiB + 4}/${size}`, bytes: layer.bytes.subarray(MiB, MiB + 5) },
    ])
    fill.gate.open()
    expect((await fill.whole.rest()).sha256).toBe(layer.digest)
  })

  test('under If-Range is a range only when the validator is ours', async () => {
    await using fill = await duringAFill(2 * MiB)
    const etag = String(fill.whole.headers.etag)
    expect(etag).toBe(`"${layer.digest}"`)
    const same = await ask(fill.url, { headers: { range: 'bytes=5-14', 'if-range': etag } })
    expect([same.status, same.body.length]).toEqual([206, 10])
    const other = await open(fill.url, { headers: { range: 'bytes=5-14', 'if-range': '"sha256:other"' } })
    expect([other.status, other.headers['content-length']]).toEqual([200, String(size)])
    other.leave()
    fill.gate.open()
    expect((await fill.whole.rest()).sha256).toBe(layer.digest)
  })

  test.each(['bytes=99999999999-', `bytes=${size}-`, 'bytes=500-0', 'bytes=-0'])('%s is out of range: 416', async (range) => {
    await using fill = await duringAFill(2 * MiB)
    const reply = await ask(fill.url, { headers: { range } })
    expect([reply.status, reply.headers['content-range']]).toEqual([416, `bytes */${size}`])
    fill.gate.open()
    expect((await fill.whole.rest()).end).toBe('clean')
  })

  test('past the end is clipped to it', async () => {
    await using fill = await duringAFill(2 * MiB)
    const reader = await open(fill.url, { headers: { range: `bytes=${size - 10}-${size + 500}` } })
    expect([reader.status, reader.headers['content-range']]).toEqual([206, `bytes ${size - 10}-${size - 1}/${size}`])
    fill.gate.open()
    expect((await reader.rest()).body.equals(layer.bytes.subarray(size - 10))).toBe(true)
  })
})

describe('a range of a blob nobody has asked for yet', () => {
  test('far inside comes before the bytes in front of it, and brings the whole in', async () => {
    await using world = await createWorld()
    world.upstream.pushBlob('lab/tool', layer)
    const gate = world.upstream.hold({ path: '/blobs/', method: 'GET', nth: 1 })
    gate.release(0)
    const reply = await ask(world.blob('lab/tool', layer.digest), { headers: { range: `bytes=${12 * MiB}-${12 * MiB + 99}` } })
    expect([reply.status, reply.body.equals(layer.bytes.subarray(12 * MiB, 12 * MiB + 100))]).toEqual([206, true])
    gate.open()
    await untilHeld(world.house.storePath, layer.digest)
  })

  test('out of range is 416 with the true size', async () => {
    await using world = await createWorld()
    world.upstream.pushBlob('lab/tool', layer)
    const reply = await ask(world.blob('lab/tool', layer.digest), { headers: { range: `bytes=${size}-` } })
    expect([reply.status, reply.headers['content-range']]).toEqual([416, `bytes */${size}`])
  })

  test('of a small blob is right too', async () => {
    await using world = await createWorld()
    const small = blob(5_000, 'small')
    world.upstream.pushBlob('lab/tool', small)
    const reply = await ask(world.blob('lab/tool', small.digest), { headers: { range: 'bytes=-7' } })
    expect([reply.status, reply.headers['content-range']]).toEqual([206, 'bytes 4993-4999/5000'])
    expect(reply.body.equals(small.bytes.subarray(4993))).toBe(true)
  })
})
