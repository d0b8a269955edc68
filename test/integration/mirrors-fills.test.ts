import { describe, expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { blob, KiB, MiB } from '../kit/blobs.ts'
import { untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { readMetalink } from '../kit/metalink-reply.ts'
import { bytesFrom, everywhere, fetchRight, layer } from '../kit/mirrored-blob.ts'
import { createMirroredWorld } from '../kit/mirrored-world.ts'
import { deadPort } from '../kit/ports.ts'
import { createWorld } from '../kit/world.ts'

expectNoLeaks()

describe('a blob that is missing', () => {
  test('comes from the best mirror, and the upstream sends none of it', async () => {
    await using world = await everywhere(2)
    await fetchRight(world)
    expect(bytesFrom(world)).toEqual([1, 0, 0])
  })

  test('comes from the mirror once, however many ask', async () => {
    await using world = await everywhere(1)
    const replies = await Promise.all(Array.from({ length: 30 }, () => ask(world.blob('lab/tool', layer.digest))))
    expect(new Set(replies.map(({ sha256 }) => sha256))).toEqual(new Set([layer.digest]))
    expect(bytesFrom(world)).toEqual([1, 0])
  })

  test('comes from the next mirror where the first has not got it', async () => {
    await using world = await everywhere(2)
    world.mirrors[0]!.removeBlob('lab/tool', layer.digest)
    await fetchRight(world)
    expect(bytesFrom(world)).toEqual([0, 1, 0])
  })

  test.each([
    ['refuses every request', { status: 403 }],
    ['fails', { status: 500 }],
    ['wants a pause', { status: 429, headers: { 'retry-after': '60' } }],
    ['hangs up', { reset: true }],
    ['shows a page of its own', { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>log in</html>' }],
    ['sends nothing', { body: '' }],
    ['answers with a coding of its own', { gzip: true }],
    ['redirects to a private address', { status: 307, headers: { location: 'http://169.254.169.254/latest/meta-data' } }],
    ['redirects to loopback', { status: 307, headers: { location: 'http://127.0.0.1:1/x' } }],
    ['redirects to a file', { status: 307, headers: { location: 'file:///etc/passwd' } }],
    ['redirects to itself', { status: 307, headers: { location: '?again' } }],
  ])('comes from the upstream where the mirror %s', async (_, fault) => {
    await using world = await everywhere(1)
    world.mirrors[0]!.fault({ method: 'GET' }, fault)
    const startedAt = performance.now()
    await fetchRight(world)
    expect(world.upstream.bodies(layer.digest)).toBe(1)
    expect(performance.now() - startedAt).toBeLessThan(20_000)
  })

  test('comes from the upstream where nobody listens at the mirror', async () => {
    const url = `http://127.0.0.1:${await deadPort()}`
    await using world = await createWorld({ settings: { mirrors: [{ url }, { kind: 'forebay', url }, { kind: 'tree', url }] } })
    world.upstream.pushBlob('lab/tool', layer)
    await fetchRight(world)
    expect(world.upstream.bodies(layer.digest)).toBe(1)
  })

  test('is not asked of a place that a mirror redirects to inside the site', async () => {
    await using inside = await createFakeUpstream()
    inside.pushBlob('lab/tool', layer)
    await using world = await everywhere(1)
    world.mirrors[0]!.fault({}, { status: 307, headers: { location: `${inside.url}/v2/lab/tool/blobs/${layer.digest}` } })
    await fetchRight(world)
    expect(inside.requests).toEqual([])
  })

  test('is not found where nobody has it, and an error names the upstream', async () => {
    await using world = await createMirroredWorld([{}])
    world.mirrors[0]!.pushBlob('lab/tool', layer)
    const reply = await ask(world.blob('lab/tool', layer.digest))
    expect(reply.status).toBe(404)
  })

  test('that the upstream has no more is not found, whatever the mirrors did', async () => {
    const tool = image({ seed: 'gone', layers: [2 * MiB] })
    await using world = await createMirroredWorld([{}, {}])
    world.upstream.push('lab/tool', tool, '1')
    world.mirrors[0]!.fault({}, { status: 500 })
    await ask(world.manifest('lab/tool', '1'))
    world.upstream.removeBlob('lab/tool', tool.blobs[1]!.digest)
    expect((await ask(world.blob('lab/tool', tool.blobs[1]!.digest))).status).toBe(404)
  })

  test('and that all places fail for is an error that tells what each did', async () => {
    const tool = image({ seed: 'all fail', layers: [2 * MiB] })
    await using world = await createMirroredWorld([{}])
    world.upstream.push('lab/tool', tool, '1')
    await ask(world.manifest('lab/tool', '1'))
    world.mirrors[0]!.fault({}, { status: 418 })
    world.upstream.fault({}, { status: 500 })
    const reply = await ask(world.blob('lab/tool', tool.blobs[1]!.digest))
    expect([reply.status, reply.body.toString()]).toEqual([502, expect.stringMatching(/418.*500/)])
  })

  test('that a manifest names comes from a mirror while the upstream is away', async () => {
    const tool = image({ seed: 'away', layers: [2 * MiB] })
    await using world = await createMirroredWorld([{}])
    for (const place of [world.upstream, ...world.mirrors]) place.push('lab/tool', tool, '1')
    expect((await ask(world.manifest('lab/tool', '1'))).status).toBe(200)
    await world.upstream.refuse()
    for (const { digest } of tool.blobs) await fetchRight(world, digest)
  })
})

describe('a mirror that does not last', () => {
  test('is followed by the next from the same byte on', async () => {
    await using world = await everywhere(2)
    world.mirrors[0]!.fault({ method: 'GET' }, { cutAfter: 2 * MiB })
    await world.mirrors[0]!.quiet()
    const reader = await open(world.blob('lab/tool', layer.digest))
    await reader.atLeast(MiB)
    await fetchRight(world)
    expect((await reader.rest()).sha256).toBe(layer.digest)
    const [range] = world.mirrors[1]!.requests.flatMap(({ method, headers }) => (method === 'GET' ? [headers.range] : []))
    expect(range).toMatch(/^bytes=[1-9]\d+-/)
    expect(world.mirrors[1]!.bytesSent(layer.digest)).toBeLessThan(5 * MiB)
    expect(world.upstream.bodies(layer.digest)).toBe(0)
  })

  test('leaves the rest to the upstream where no other is there', async () => {
    await using world = await everywhere(1)
    world.mirrors[0]!.fault({ method: 'GET', nth: 1 }, { cutAfter: 3 * MiB, afterwards: () => void world.mirrors[0]!.refuse() })
    await fetchRight(world)
    expect(world.upstream.bodies(layer.digest)).toBe(1)
    expect(world.upstream.bytesSent(layer.digest)).toBeLessThan(4 * MiB)
  })

  test('one after another, each gone midway, still gives the right bytes', async () => {
    await using world = await everywhere(3)
    for (const mirror of world.mirrors)
      mirror.fault({ method: 'GET' }, { cutAfter: MiB + 1234, afterwards: () => void mirror.refuse() })
    await fetchRight(world)
  })

  test('and cannot give ranges does no harm as a follower', async () => {
    const plans = [{}, { server: { ranges: false } }]
    await using world = await createMirroredWorld(plans)
    for (const place of [world.upstream, ...world.mirrors]) place.pushBlob('lab/tool', layer)
    world.mirrors[0]!.fault({ method: 'GET' }, { cutAfter: 2 * MiB, afterwards: () => void world.mirrors[0]!.refuse() })
    await fetchRight(world)
  })
})

describe('a mirror that lies', () => {
  const next = blob(3 * MiB, 'after the lie')

  test('with wrong bytes: they are not kept, the upstream is asked, and the mirror is left alone', async () => {
    await using world = await everywhere(1, next)
    const rule = world.mirrors[0]!.fault({ method: 'GET' }, { flipAt: 4 * MiB })
    const first = await ask(world.blob('lab/tool', layer.digest))
    // Whoever was reading is cut; nobody gets a wrong ending.
    if (first.end === 'clean') expect(first.sha256).toBe(layer.digest)
    await untilHeld(world.house.storePath, layer.digest)
    expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
    expect(world.upstream.bodies(layer.digest)).toBe(1)
    await fetchRight(world)

    rule.remove()
    await fetchRight(world, next.digest)
    expect(bytesFrom(world, next.digest)).toEqual([0, 1])
  })

  test('about a small blob is not noticed by the client at all', async () => {
    const small = blob(40 * KiB, 'small lie')
    await using world = await everywhere(1, small)
    world.mirrors[0]!.fault({ method: 'GET' }, { flipAt: 1000 })
    await fetchRight(world, small.digest)
    expect(bytesFrom(world, small.digest)).toEqual([1, 1])
  })

  test('and dies midway does not take the upstream with it', async () => {
    await using world = await everywhere(1)
    const [mirror] = world.mirrors
    mirror!.fault({ method: 'GET' }, { flipAt: 1000, cutAfter: 2 * MiB, afterwards: () => void mirror!.refuse() })
    await ask(world.blob('lab/tool', layer.digest))
    await untilHeld(world.house.storePath, layer.digest)
    await fetchRight(world)
  })

  test('about the length is passed over before a byte of it is shown', async () => {
    await using world = await everywhere(2)
    world.mirrors[0]!.pushBlob('lab/tool', { ...blob(7 * MiB, 'longer'), digest: layer.digest })
    world.mirrors[1]!.pushBlob('lab/tool', { ...blob(2 * MiB, 'shorter'), digest: layer.digest })
    await fetchRight(world)
    expect(world.upstream.bodies(layer.digest)).toBe(1)
  })

  test('is no longer told to clients', async () => {
    await using world = await everywhere(1)
    await ask(world.blob('lab/tool', layer.digest), { method: 'HEAD' })
    const told = async () => readMetalink(await ask(world.meta4(layer.digest)), world.house.url).text
    await expect.poll(told).toContain(world.at(0, layer.digest))
    world.mirrors[0]!.fault({ method: 'GET' }, { flipAt: 4 * MiB })
    await ask(world.blob('lab/tool', layer.digest))
    await untilHeld(world.house.storePath, layer.digest)
    expect(await told()).not.toContain(world.at(0, layer.digest))
  })
})
