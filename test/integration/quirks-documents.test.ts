import { describe, expect, test } from 'vitest'
import { ask, errorCodes } from '../kit/ask.ts'
import { content, json, MiB, seededBytes } from '../kit/blobs.ts'
import { artifact, describe as descriptor, image, multiPlatform, sif } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createWorld, lab, type World, type WorldOptions } from '../kit/world.ts'

expectNoLeaks()

const tool = image({ seed: 'documents', layers: [3000] })
const manifests = { path: '/manifests/' } as const

async function worldOf(options: WorldOptions = {}): Promise<World & { tag: string }> {
  const world = await createWorld(options)
  world.upstream.push('lab/tool', tool, 'v1')
  return Object.assign(world, { tag: world.manifest('lab/tool', 'v1') })
}

async function expectWhole(world: World & { tag: string }): Promise<void> {
  for (const method of ['HEAD', 'GET', 'HEAD']) {
    const reply = await ask(world.tag, { method })
    expect(reply.status).toBe(200)
    expect(reply.headers).toMatchObject({
      'content-type': tool.manifest.mediaType,
      'content-length': String(tool.manifest.bytes.length),
      'docker-content-digest': tool.manifest.digest,
    })
    if (method === 'GET') expect(reply.body.equals(tool.manifest.bytes)).toBe(true)
  }
}

describe('manifests whose upstream', () => {
  test.each(['application/json', 'text/plain; charset=utf-8', 'application/octet-stream'])(
    'calls them %s are told by what they say of themselves',
    async (type) => {
      await using world = await worldOf()
      world.upstream.fault(manifests, { headers: { 'content-type': type } })
      await expectWhole(world)
    },
  )

  test('says no Content-Type are told by what they say of themselves', async () => {
    await using world = await worldOf()
    world.upstream.fault(manifests, { headers: { 'content-type': undefined } })
    await expectWhole(world)
  })

  test('adds parameters to the Content-Type lose them', async () => {
    await using world = await worldOf()
    world.upstream.fault(manifests, { headers: { 'content-type': `${tool.manifest.mediaType}; charset=utf-8` } })
    await expectWhole(world)
  })

  test('gives no Docker-Content-Digest are hashed', async () => {
    await using world = await worldOf({ upstream: { digestHeader: false }, settings: { freshFor: '0s' } })
    await expectWhole(world)
  })

  test('gives no length to HEAD have one from us', async () => {
    await using world = await worldOf()
    world.upstream.fault({ ...manifests, method: 'HEAD' }, { headers: { 'content-length': undefined } })
    await expectWhole(world)
  })

  test.each([404, 405, 501, 400])('answers HEAD with %i but GET with 200 are found all the same', async (status) => {
    await using world = await worldOf({ settings: { freshFor: '0s' } })
    world.upstream.fault({ ...manifests, method: 'HEAD' }, { status })
    await expectWhole(world)
  })

  test('gives another digest to HEAD than to GET are believed by their bytes', async () => {
    await using world = await worldOf({ settings: { freshFor: '0s' } })
    await ask(world.tag)
    world.upstream.fault(
      { ...manifests, method: 'HEAD' },
      { headers: { 'docker-content-digest': image({ seed: 'never pushed' }).manifest.digest } },
    )
    await expectWhole(world)
  })

  test('gives a digest that is none are hashed', async () => {
    await using world = await worldOf()
    world.upstream.fault(manifests, { headers: { 'docker-content-digest': 'sha256:oops' } })
    const reply = await ask(world.tag)
    expect([reply.status, reply.status === 200 ? reply.headers['docker-content-digest'] : 502]).toEqual([
      reply.status,
      reply.status === 200 ? tool.manifest.digest : 502,
    ])
  })

  test('sends other bytes than its digest says are a 502, and not kept', async () => {
    await using world = await worldOf()
    world.upstream.fault(manifests, { flipAt: 30 })
    for (const pointer of ['v1', tool.manifest.digest]) {
      const reply = await ask(world.manifest('lab/tool', pointer))
      expect([pointer, reply.status]).toEqual([pointer, 502])
    }
    world.upstream.heal()
    expect((await ask(world.manifest('lab/tool', tool.manifest.digest))).sha256).toBe(tool.manifest.digest)
  })

  test('compresses them, asked not to, never come out wrong', async () => {
    await using world = await worldOf()
    world.upstream.fault({ ...manifests, method: 'GET' }, { gzip: true })
    const reply = await ask(world.tag)
    expect(reply.status === 200 ? reply.sha256 : reply.status).toBe(reply.status === 200 ? tool.manifest.digest : 502)
    expect(reply.headers['content-encoding']).toBeUndefined()
    expect(world.upstream.requests.every(({ headers }) => headers['accept-encoding'] === 'identity')).toBe(true)
  })

  test('answers with something that is no JSON at all are a failure of the upstream', async () => {
    await using world = await worldOf()
    world.upstream.pushManifest('lab/tool', content(Buffer.from('<html>Please log in</html>'), 'text/html'), 'portal')
    const reply = await ask(world.manifest('lab/tool', 'portal'))
    expect([reply.status, reply.end]).toEqual([502, 'clean'])
  })

  test('gives more than a manifest may have are 413', async () => {
    await using world = await worldOf()
    world.upstream.pushManifest('lab/tool', content(seededBytes(24 * MiB, 'huge'), tool.manifest.mediaType), 'huge')
    for (const length of [undefined, 'chunked'] as const) {
      if (length) world.upstream.fault(manifests, { length })
      const reply = await ask(world.manifest('lab/tool', 'huge'))
      expect([reply.status, reply.end]).toEqual([413, 'clean'])
    }
  })

  test('gives four MiB of manifest pass', async () => {
    await using world = await worldOf()
    const large = json(
      {
        schemaVersion: 2,
        mediaType: tool.manifest.mediaType,
        config: descriptor(tool.blobs[0]!),
        layers: [],
        annotations: { long: 'x'.repeat(4 * MiB) },
      },
      tool.manifest.mediaType,
    )
    world.upstream.pushManifest('lab/tool', large, 'large')
    expect(await ask(world.manifest('lab/tool', 'large'))).toMatchObject({ status: 200, sha256: large.digest })
  })

  test('is asked with every live media type and never for schema 1', async () => {
    await using world = await worldOf()
    await ask(world.tag, { headers: { accept: 'application/vnd.docker.distribution.manifest.v1+prettyjws' } })
    const accept = String(world.upstream.requests.find(({ path }) => path.includes('/manifests/'))?.headers.accept)
    expect(accept).toContain('application/vnd.oci.image.index.v1+json')
    expect(accept).toContain('application/vnd.docker.distribution.manifest.list.v2+json')
    expect(accept).not.toContain('docker.distribution.manifest.v1')
    expect(world.upstream.requests[0]?.headers['user-agent']).toMatch(/^forebay\/\d/i)
  })
})

describe('blobs whose upstream', () => {
  const { digest, bytes } = tool.blobs[1]!

  test.each([404, 405, 403])('answers HEAD with %i but GET with 200 come all the same', async (status) => {
    await using world = await worldOf()
    world.upstream.fault({ path: '/blobs/', method: 'HEAD' }, { status })
    expect(await ask(world.blob('lab/tool', digest))).toMatchObject({ status: 200, sha256: digest })
  })

  test('gives no length to HEAD have one from us, cold', async () => {
    await using world = await worldOf()
    world.upstream.fault({ path: '/blobs/', method: 'HEAD' }, { headers: { 'content-length': undefined } })
    const head = await ask(world.blob('lab/tool', digest), { method: 'HEAD' })
    expect([head.status, head.headers['content-length']]).toEqual([200, String(bytes.length)])
    expect(world.upstream.bytesSent(digest)).toBeLessThanOrEqual(1)
  })

  test('compresses them, asked not to, never come out wrong', async () => {
    await using world = await worldOf()
    world.upstream.fault({ path: '/blobs/', method: 'GET' }, { gzip: true })
    const reply = await ask(world.blob('lab/tool', digest))
    expect(reply.status === 200 ? reply.sha256 : reply.status).toBe(reply.status === 200 ? digest : 502)
  })

  test('does not say Accept-Ranges or an ETag are resumed all the same', async () => {
    await using world = await createWorld({ upstream: { etags: 'none' } })
    const large = image({ seed: 'no etag', layers: [3 * MiB] })
    world.upstream.push('lab/tool', large, 'v1')
    world.upstream.fault({ path: '/blobs/' }, { headers: { 'accept-ranges': undefined } })
    world.upstream.fault(
      { path: '/blobs/', method: 'GET', nth: 1 },
      { cutAfter: 2 * MiB, headers: { 'accept-ranges': undefined } },
    )
    expect(await ask(world.blob('lab/tool', large.blobs[1]!.digest))).toMatchObject({ status: 200, end: 'clean' })
    expect(world.upstream.bytesSent(large.blobs[1]!.digest)).toBeLessThan(3.5 * MiB)
  })
})

describe('all kinds of content pass unchanged', () => {
  const subject = image({ seed: 'subject' })
  test.each([
    { name: 'a Docker schema 2 image', pushed: image({ seed: 'docker', style: 'docker' }) },
    { name: 'a Docker manifest list', pushed: multiPlatform({ seed: 'list', style: 'docker' }) },
    { name: 'an OCI index', pushed: multiPlatform({ seed: 'index' }) },
    { name: 'an artifact with a subject', pushed: artifact({ artifactType: 'test/sbom', subject }) },
    { name: 'a SIF', pushed: sif(5000) },
  ])('$name', async ({ pushed }) => {
    await using world = await worldOf()
    world.upstream.push('lab/thing', pushed, 'v1')
    const images = [pushed, ...pushed.children]
    for (const { manifest, blobs } of images) {
      for (const pointer of manifest === pushed.manifest ? ['v1', manifest.digest] : [manifest.digest]) {
        const reply = await ask(world.manifest('lab/thing', pointer), { headers: { accept: '*/*' } })
        expect([reply.status, reply.headers['content-type'], reply.sha256]).toEqual([200, manifest.mediaType, manifest.digest])
      }
      for (const { digest } of blobs) expect((await ask(world.blob('lab/thing', digest))).sha256).toBe(digest)
    }
  })

  test('also for a client that asks for none of the types it is', async () => {
    await using world = await worldOf()
    const reply = await ask(world.tag, { headers: { accept: 'application/vnd.docker.distribution.manifest.list.v2+json' } })
    expect([reply.status, reply.sha256]).toEqual([200, tool.manifest.digest])
  })

  test('a blob and a manifest named by sha512', async () => {
    await using world = await worldOf()
    const big = content(seededBytes(5000, 'sha512'), 'application/octet-stream', 'sha512')
    const manifest = content(tool.manifest.bytes, tool.manifest.mediaType, 'sha512')
    world.upstream.pushBlob('lab/tool', big)
    world.upstream.pushManifest('lab/tool', manifest)
    for (let round = 0; round < 2; round++) {
      expect((await ask(world.blob('lab/tool', big.digest))).body.equals(big.bytes)).toBe(true)
      const reply = await ask(world.manifest('lab/tool', manifest.digest))
      expect([reply.status, reply.headers['docker-content-digest']]).toEqual([200, manifest.digest])
    }
    expect(world.upstream.bodies(big.digest)).toBe(1)
  })
})

describe('what is behind a path', () => {
  test('as Artifactory has it is found there', async () => {
    await using world = await worldOf({
      upstream: { basePath: '/artifactory/api/docker/remote', auth: { kind: 'bearer' }, redirect: { to: 'same' } },
    })
    await expectWhole(world)
    expect((await ask(world.blob('lab/tool', tool.blobs[1]!.digest))).sha256).toBe(tool.blobs[1]!.digest)
  })

  test('_catalog is what is held, and asks nobody', async () => {
    await using world = await worldOf()
    await ask(world.tag)
    const count = world.upstream.requests.length
    const reply = await ask(`${world.house.url}/v2/_catalog`)
    expect([reply.status, JSON.parse(reply.body.toString()).repositories]).toEqual([200, [`${lab}/lab/tool`]])
    expect(world.upstream.requests.length).toBe(count)
  })

  test('a missing repository that is refused with 401, as quay.io does, is no 401 of ours', async () => {
    await using world = await createWorld({ upstream: { auth: { kind: 'bearer', isPrivate: () => true } } })
    world.upstream.fault(
      { path: 'lab/none' },
      { status: 401, headers: { 'www-authenticate': `Bearer realm="${world.upstream.url}/token",service="fake-registry"` } },
    )
    const reply = await ask(world.manifest('lab/none', 'v1'))
    expect([403, 404]).toContain(reply.status)
    expect(errorCodes(reply)[0]).toMatch(/DENIED|UNKNOWN/)
  })
})
