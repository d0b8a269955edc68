import { describe, expect, test } from 'vitest'
import { dockerManifest } from '../../src/model/media-type.ts'
import { ask } from '../kit/ask.ts'
import { blob, json, MiB } from '../kit/blobs.ts'
import { describeBlob, telling } from '../kit/described-blob.ts'
import { untilHeld } from '../kit/disk.ts'
import { describe as descriptorOf } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { readMetalink } from '../kit/metalink-reply.ts'
import { fetchRight } from '../kit/mirrored-blob.ts'
import { deadPort } from '../kit/ports.ts'
import { createRecordedLog } from '../kit/recorded-log.ts'
import { createWorld, lab, type World } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(9 * MiB, 'itself', 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip')
const v2 = `/v2/${lab}/lab/tool/blobs/${layer.digest}`
const byDigest = `/blobs/${layer.digest.replace(':', '/')}`

/** A house that may ask anything on its own host, so that only its knowing itself keeps it from that. */
async function ownWorld(mirrors: (port: number) => readonly object[] = () => [], publicUrl?: string) {
  const port = await deadPort()
  const allow = [`127.0.0.1:${port}`, `localhost:${port}`, 'cache.site.example:80']
  const more = { listen: { host: '127.0.0.1', port }, ...(publicUrl && { publicUrl }), publicHosts: [`localhost:${port}`] }
  const log = createRecordedLog()
  const world = await createWorld({ settings: { mirrors: mirrors(port) }, house: { more, outbound: { allow } }, log })
  world.upstream.pushBlob('lab/tool', layer)
  const passedOver = () =>
    log.lines.filter(({ event }) => event === 'discover.passed-over').map(({ fields }) => JSON.stringify(fields))
  return { world, port, passedOver }
}

/** The reader of a test is the only one who asked. */
async function expectAskedOnce({ house }: World, route = 'blob'): Promise<void> {
  expect(await house.metric('edge_requests_total', { route })).toBe(1)
}

describe('a server does not ask itself:', () => {
  test.each([
    ['another Forebay', (port: number) => ({ kind: 'forebay', url: `http://127.0.0.1:${port}/` })],
    ['a registry', (port: number) => ({ kind: 'registry', url: `http://LOCALHOST:${port}/${lab}` })],
    ['a place of its public URL', () => ({ kind: 'forebay', url: 'http://CACHE.site.example:80' })],
  ])('its own name in a list of mirrors, as %s', async (_, mirror) => {
    const { world, port } = await ownWorld((port) => [mirror(port)], 'http://cache.site.example/')
    await using _world = world
    await fetchRight(world, layer.digest)
    await expectAskedOnce(world)
    await untilHeld(world.house.storePath, layer.digest)
    const { text } = readMetalink(await ask(`http://127.0.0.1:${port}${byDigest}.meta4`), 'http://cache.site.example')
    expect([...text.matchAll(/<url[^>]*>([^<]*)</g)].map(([, url]) => url)).toEqual([
      `http://cache.site.example${byDigest}`,
      `${world.upstream.url}/v2/lab/tool/blobs/${layer.digest}`,
    ])
  })

  test.each([v2, byDigest])('what an answer says of others that have it: %s', async (path) => {
    const { world, port, passedOver } = await ownWorld()
    await using _world = world
    const link = `<http://LocalHost:${port}/${path}>; rel=duplicate; pri=1`
    world.upstream.fault({ path: layer.digest, method: 'GET', nth: 1 }, { headers: { link }, cutAfter: 2 * MiB })
    await fetchRight(world, layer.digest)
    expect(passedOver()).toEqual([expect.stringContaining('is this server itself')])
    await expectAskedOnce(world)
  })

  test('what a metalink says', async () => {
    const { world, port, passedOver } = await ownWorld()
    await using _world = world
    const places = [`http://127.0.0.1:${port}${v2}`, `http://localhost:${port}${byDigest}`]
    telling(world.upstream, layer.digest, describeBlob(layer, places), { bytesPerSecond: 20 * MiB })
    await fetchRight(world, layer.digest)
    expect(passedOver()).toEqual([expect.stringMatching(/(?:is this server itself.*){2}/)])
    await expectAskedOnce(world)
  })

  test('what a manifest says of a layer that its registry has not got', async () => {
    const { world, port } = await ownWorld()
    await using _world = world
    world.upstream.removeBlob('lab/tool', layer.digest)
    const layers = [{ ...descriptorOf(layer), urls: [`http://127.0.0.1:${port}${v2}`] }]
    const config = json({}, 'application/vnd.docker.container.image.v1+json')
    const manifest = json({ schemaVersion: 2, mediaType: dockerManifest, config: descriptorOf(config), layers }, dockerManifest)
    world.upstream.pushManifest('lab/tool', manifest)
    await ask(world.manifest('lab/tool', manifest.digest))
    const answer = await ask(world.blob('lab/tool', layer.digest))
    expect([answer.status, answer.body.toString()]).toEqual([expect.any(Number), expect.stringContaining('does not ask itself')])
    expect(answer.status).toBeGreaterThanOrEqual(400)
    await expectAskedOnce(world)
  })

  test('where an upstream sends it', async () => {
    const { world, port } = await ownWorld()
    await using _world = world
    world.upstream.fault(
      { path: layer.digest, method: 'GET' },
      { status: 307, headers: { location: `http://127.0.0.1:${port}${byDigest}` } },
    )
    const answer = await ask(world.blob('lab/tool', layer.digest))
    expect([answer.status, answer.body.toString()]).toEqual([502, expect.stringContaining('it is this server itself')])
    await expectAskedOnce(world)
  })

  test('an upstream of the settings that is itself', async () => {
    const port = await deadPort()
    const more = { listen: { host: '127.0.0.1', port } }
    await using world = await createWorld({ settings: { url: `http://127.0.0.1:${port}` }, house: { more } })
    const answer = await ask(world.manifest('lab/tool', '1'))
    expect([answer.status, answer.body.toString()]).toEqual([502, expect.stringContaining('it is this server itself')])
    await expectAskedOnce(world, 'manifest')
  })
})
