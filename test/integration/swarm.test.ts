import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { describeBlob, hashesOf, telling } from '../kit/described-blob.ts'
import { untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import type { FakeUpstream } from '../kit/fake-upstream.ts'
import { startHouse } from '../kit/house.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createMirroredWorld, type MirroredWorld } from '../kit/mirrored-world.ts'
import { lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(40 * MiB + 4321, 'from many')

async function mirrored(count: number): Promise<MirroredWorld> {
  const world = await createMirroredWorld(Array.from({ length: count }, () => ({})))
  for (const place of [world.upstream, ...world.mirrors]) place.pushBlob('lab/tool', layer)
  return world
}

const places = (world: MirroredWorld) => world.mirrors.map((_, at) => world.at(at, layer.digest))
const sentBy = (world: MirroredWorld) => world.mirrors.map((mirror) => mirror.bytesSent(layer.digest))

async function expectRight(world: MirroredWorld, readers = 1): Promise<void> {
  const replies = await Promise.all(Array.from({ length: readers }, () => ask(world.blob('lab/tool', layer.digest))))
  for (const reply of replies) expect([reply.status, reply.end, reply.sha256]).toEqual([200, 'clean', layer.digest])
  await untilHeld(world.house.storePath, layer.digest)
  expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
}

describe('a blob whose first source tells of a metalink with pieces', () => {
  test('comes from all the places at once, each byte once', async () => {
    await using world = await mirrored(3)
    telling(world.mirrors[0]!, layer.digest, describeBlob(layer, places(world)))
    for (const mirror of world.mirrors.slice(1)) mirror.fault({ path: layer.digest }, { bytesPerSecond: 40 * MiB })
    await expectRight(world, 10)
    const sent = sentBy(world)
    expect(sent.filter((bytes) => bytes > MiB).length).toBeGreaterThan(1)
    expect(sent.reduce((sum, bytes) => sum + bytes, world.upstream.bytesSent(layer.digest))).toBeLessThan(
      1.5 * layer.bytes.length,
    )
  })

  test('is right for every reader though one place flips a byte and another dies', async () => {
    await using world = await mirrored(4)
    const [first, flips, dies, slow] = world.mirrors as [FakeUpstream, FakeUpstream, FakeUpstream, FakeUpstream]
    telling(first, layer.digest, describeBlob(layer, places(world)), { bytesPerSecond: 20 * MiB })
    flips.fault({ path: layer.digest, method: 'GET' }, { flipAt: 17 * MiB + 5 })
    dies.fault({ path: layer.digest, method: 'GET' }, { cutAfter: 700_000 })
    slow.fault({ path: layer.digest, method: 'GET' }, { bytesPerSecond: MiB })
    await expectRight(world, 12)
  })

  test('is right though the hashes of the document are wrong: the digest alone decides', async () => {
    await using world = await mirrored(2)
    telling(world.mirrors[0]!, layer.digest, describeBlob(layer, places(world), hashesOf(layer, 7)))
    await expectRight(world)
  })

  test.each([
    ['is no XML', 'hello'],
    ['has a DOCTYPE', '<!DOCTYPE x [<!ENTITY a "aaaa">]><metalink xmlns="urn:ietf:params:xml:ns:metalink">&a;</metalink>'],
    ['is two megabytes long', `<metalink xmlns="urn:ietf:params:xml:ns:metalink">${' '.repeat(2 * MiB)}</metalink>`],
    ['is of another file', describeBlob(layer, ['http://127.0.0.1:1/x']).replaceAll(layer.digest.slice(7), 'a'.repeat(64))],
    [
      'names places that must not be dialled',
      describeBlob(layer, [
        'http://169.254.169.254/latest',
        'http://127.0.0.1:1/secret',
        'http://[::1]:1/x',
        'http://10.1.2.3/x',
      ]),
    ],
  ])('comes from the source that told of it where the document %s', async (_, document) => {
    await using world = await mirrored(1)
    telling(world.mirrors[0]!, layer.digest, document)
    await expectRight(world)
    expect(world.mirrors[0]!.bytesSent(layer.digest)).toBeLessThan(1.3 * layer.bytes.length)
  })

  test('sends no credentials to the places it was told of', async () => {
    await using world = await mirrored(2)
    telling(world.mirrors[0]!, layer.digest, describeBlob(layer, places(world)))
    const reply = await ask(world.blob('lab/tool', layer.digest), { headers: { authorization: 'Basic bWU6c2VjcmV0' } })
    expect(reply.sha256).toBe(layer.digest)
    for (const mirror of world.mirrors) for (const { headers } of mirror.requests) expect(headers.authorization).toBeUndefined()
  })
})

test('a house that misses a blob has it from another house and from the upstream, by the pieces that the other knows', async () => {
  await using world = await createMirroredWorld([])
  world.upstream.pushBlob('lab/tool', layer)
  await ask(world.blob('lab/tool', layer.digest))
  await untilHeld(world.house.storePath, layer.digest)
  await ask(`${world.house.url}/blobs/${layer.digest.replace(':', '/')}.meta4`) // has the upstream asked whether it answers anybody
  await using second = await startHouse({
    upstreams: { [lab]: { url: world.upstream.url, mirrors: [{ kind: 'forebay', url: world.house.url }] } },
    defaults: { oci: lab },
  })
  const before = world.upstream.bytesSent(layer.digest)
  const reply = await ask(urlsOf(second.url).blob('lab/tool', layer.digest))
  expect([reply.status, reply.end, reply.sha256]).toEqual([200, 'clean', layer.digest])
  expect(world.upstream.bytesSent(layer.digest) - before).toBeLessThan(layer.bytes.length)
})
