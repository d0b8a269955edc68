import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { dockerManifest, ociManifest } from '../../src/model/media-type.ts'
import { ask, errorCodes } from '../kit/ask.ts'
import { blob, type Content, json, KiB } from '../kit/blobs.ts'
import { createCanary } from '../kit/canary.ts'
import { blobsOn, wrongBlobsOn } from '../kit/disk.ts'
import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { describe as descriptorOf } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { readMetalink } from '../kit/metalink-reply.ts'
import { fetchRight } from '../kit/mirrored-blob.ts'
import { deadPort } from '../kit/ports.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { createWorld, type World, type WorldOptions } from '../kit/world.ts'

expectNoLeaks()

const foreign = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
const nondistributable = 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'
const config = json({ os: 'windows', architecture: 'amd64' }, 'application/vnd.oci.image.config.v1+json')
const layer = blob(500 * KiB, 'foreign', foreign)

interface Elsewhere extends World {
  /** Another server, where the manifests say that the layer is. */
  readonly vendor: FakeUpstream
  readonly url: string
}

function manifestNaming(urls: readonly string[], of: Content = layer, type = dockerManifest): Content {
  const layers = [{ ...descriptorOf(of), urls }]
  return json({ schemaVersion: 2, mediaType: type, config: descriptorOf(config), layers }, type)
}

/** A registry with a manifest and without its layer, which a vendor gives to anybody. */
async function elsewhere(options: WorldOptions = {}): Promise<Elsewhere> {
  const vendor = await createFakeUpstream()
  vendor.pushBlob('base/windows', layer)
  const world = await createWorld({ ...options, house: { ...options.house, outbound: { allow: [vendor.host] } } })
  world.upstream.pushBlob('lab/tool', config)
  return {
    ...world,
    vendor,
    url: `${vendor.url}/v2/base/windows/blobs/${layer.digest}`,
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]()
      await vendor.close()
    },
  }
}

/** Lets the house see a manifest that says where the layer is. */
async function shown(world: World, ...manifests: readonly Content[]): Promise<void> {
  for (const manifest of manifests) {
    world.upstream.pushManifest('lab/tool', manifest)
    expect((await ask(world.manifest('lab/tool', manifest.digest))).sha256).toBe(manifest.digest)
  }
}

describe('a layer of which the manifest says where it is', () => {
  test.each([
    ['docker', dockerManifest, foreign],
    ['oci', ociManifest, nondistributable],
  ])('comes from there where the registry has not got it: %s', async (_, type, mediaType) => {
    await using world = await elsewhere()
    await shown(world, manifestNaming([world.url], { ...layer, mediaType }, type))
    const head = await ask(world.blob('lab/tool', layer.digest), { method: 'HEAD' })
    expect([head.status, head.headers['content-length'], world.vendor.requests.length]).toEqual([200, String(500 * KiB), 0])
    await fetchRight(world, layer.digest)
    expect([world.upstream.bodies(layer.digest), world.vendor.bodies(layer.digest)]).toEqual([0, 1])
    await fetchRight(world, layer.digest)
    expect(world.vendor.bodies(layer.digest)).toBe(1)
  })

  test('comes from the registry where that has it, and the other place is not asked', async () => {
    await using world = await elsewhere()
    world.upstream.pushBlob('lab/tool', layer)
    await shown(world, manifestNaming([world.url]))
    await fetchRight(world, layer.digest)
    expect(world.vendor.requests).toEqual([])
  })

  test('comes from the next of several places where one has not got it', async () => {
    await using world = await elsewhere()
    const dead = `http://127.0.0.1:${await deadPort()}/layer`
    await shown(world, manifestNaming([dead, `${world.vendor.url}/v2/base/other/blobs/${layer.digest}`, world.url]))
    await fetchRight(world, layer.digest)
    expect(world.vendor.bodies(layer.digest)).toBe(1)
  })

  test('is asked for there without credentials of ours or of the client', async () => {
    const users = { robot: 'S3cret-password' }
    const settings = { credentials: { username: 'robot', password: { env: 'ROBOT_PASSWORD' } } }
    const upstream = { auth: { kind: 'basic' as const, users } }
    await using world = await elsewhere({ upstream, settings, house: { env: { ROBOT_PASSWORD: users.robot } } })
    await shown(world, manifestNaming([world.url]))
    const headers = { authorization: 'Bearer of-the-client', cookie: 'session=of-the-client' }
    expect((await ask(world.blob('lab/tool', layer.digest), { headers })).sha256).toBe(layer.digest)
    expect(world.vendor.bodies(layer.digest)).toBe(1)
    for (const { headers } of world.vendor.requests)
      expect([headers.authorization, headers.cookie]).toEqual([undefined, undefined])
  })

  test('is still known to be there after the records were lost', async () => {
    await using folder = await tempFolder()
    const house = { storePath: folder.path }
    await using vendor = await createFakeUpstream()
    vendor.pushBlob('base/windows', layer)
    const url = `${vendor.url}/v2/base/windows/blobs/${layer.digest}`
    const within = { house: { ...house, outbound: { allow: [vendor.host] } } }
    {
      await using world = await createWorld(within)
      await shown(world, manifestNaming([url]))
    }
    for (const suffix of ['', '-wal', '-shm']) await rm(join(folder.path, `records.db${suffix}`), { force: true })
    await using world = await createWorld(within)
    await fetchRight(world, layer.digest)
    expect(vendor.bodies(layer.digest)).toBe(1)
  })

  test('is still known to be there when another manifest does not say so', async () => {
    await using world = await elsewhere()
    const silent = json({ schemaVersion: 2, config: descriptorOf(config), layers: [descriptorOf(layer)] }, ociManifest)
    await shown(world, manifestNaming([world.url]), silent)
    await fetchRight(world, layer.digest)
  })

  test('has no such place in its metalink: nobody has seen that it gives the bytes', async () => {
    await using world = await elsewhere()
    await shown(world, manifestNaming([world.url]))
    await fetchRight(world, layer.digest)
    const document = await ask(`${world.house.url}/blobs/${layer.digest.replace(':', '/')}.meta4`)
    expect(readMetalink(document, world.house.url).text).not.toContain(world.vendor.host)
  })
})

describe('a place that a manifest names', () => {
  test('and that lies is found out, and the registry is asked again', async () => {
    await using world = await elsewhere()
    world.upstream.pushBlob('lab/tool', layer)
    await shown(world, manifestNaming([world.url]))
    world.upstream.fault({ method: 'GET', path: '/blobs/', nth: 1 }, { status: 500 })
    world.vendor.fault({ method: 'GET' }, { flipAt: 1000 })
    await fetchRight(world, layer.digest)
    expect([world.vendor.bodies(layer.digest), world.upstream.bodies(layer.digest)]).toEqual([1, 1])
  })

  test('and that lies while the registry has it not is an error, and nothing is kept', async () => {
    await using world = await elsewhere()
    await shown(world, manifestNaming([world.url]))
    world.vendor.fault({ method: 'GET' }, { flipAt: 1000 })
    const reply = await ask(world.blob('lab/tool', layer.digest))
    expect([reply.status, errorCodes(reply)]).toEqual([502, ['UNAVAILABLE']])
    expect(await blobsOn(world.house.storePath)).not.toContain(layer.digest)
    expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
  })

  test('and that is of another length is passed over before a byte of it is shown', async () => {
    await using world = await elsewhere()
    world.vendor.pushBlob('base/windows', { ...blob(600 * KiB, 'longer'), digest: layer.digest })
    await shown(world, manifestNaming([world.url]))
    expect((await ask(world.blob('lab/tool', layer.digest))).status).toBe(502)
  })

  test.each([
    ['is private and not https', (host: string) => `http://${host}/layer`],
    ['is private', (host: string) => `https://${host}/layer`],
    ['is private by another spelling', (host: string) => `https://[::ffff:127.0.0.1]:${host.split(':')[1]}/layer`],
    ['resolves to a private address', (host: string) => `https://localhost:${host.split(':')[1]}/layer`],
  ])('and that %s is not connected to, and the error tells why', async (_, urlOf) => {
    await using canary = await createCanary()
    await using world = await elsewhere()
    await shown(world, manifestNaming([urlOf(canary.host)]))
    const reply = await ask(world.blob('lab/tool', layer.digest))
    expect([reply.status, errorCodes(reply)]).toEqual([502, ['UNAVAILABLE']])
    expect(reply.body.toString()).toMatch(/its manifest names/)
    expect(canary.connections).toBe(0)
  })

  test('and that redirects into the site is followed no further', async () => {
    await using world = await elsewhere()
    await using inside = await createFakeUpstream()
    inside.pushBlob('base/windows', layer)
    const location = `${inside.url}/v2/base/windows/blobs/${layer.digest}`
    world.vendor.fault({}, { status: 307, headers: { location } })
    await shown(world, manifestNaming([world.url]))
    expect((await ask(world.blob('lab/tool', layer.digest))).status).toBe(502)
    expect(inside.requests).toEqual([])
  })

  test('is asked by nobody whose upstream is set to be offline', async () => {
    await using folder = await tempFolder()
    await using vendor = await createFakeUpstream()
    vendor.pushBlob('base/windows', layer)
    const house = { storePath: folder.path, outbound: { allow: [vendor.host] } }
    {
      await using world = await createWorld({ house })
      await shown(world, manifestNaming([`${vendor.url}/v2/base/windows/blobs/${layer.digest}`]))
    }
    await using world = await createWorld({ house, settings: { offline: true } })
    expect((await ask(world.blob('lab/tool', layer.digest))).status).toBe(404)
    expect(vendor.requests).toEqual([])
  })
})
