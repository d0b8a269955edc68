import { describe, expect, test } from 'vitest'
import { ask, type Reply } from '../kit/ask.ts'
import { digestOfBytes, KiB, MiB, seededBytes } from '../kit/blobs.ts'
import { createCanary } from '../kit/canary.ts'
import { blobsOn, spoolsOn, until, untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import { createHandClock } from '../kit/hand-clock.ts'
import { type House, type HouseSettings, startHouse } from '../kit/house.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { deadPort } from '../kit/ports.ts'
import { createFakeStatic, type FakeStatic } from '../kit/static-upstream.ts'

expectNoLeaks()

const large = seededBytes(3 * MiB, 'static large')
const small = seededBytes(300 * KiB, 'static small')
const other = seededBytes(3 * MiB, 'static other')
const name = 'lab/tools/tool'

interface Layer {
  readonly digest: string
  readonly sha256?: string
  readonly size?: number
  readonly urls: readonly string[]
}

/** A house with one registry of static pages behind it, `pages`. */
async function createWorld(
  settings: Readonly<Record<string, unknown>> = {},
  more: Partial<HouseSettings> = {},
  clock?: Parameters<typeof startHouse>[1],
) {
  const upstream: FakeStatic = await createFakeStatic()
  const upstreams = { pages: { kind: 'static', url: upstream.base, ...settings } }
  const house: House = await startHouse({ outbound: { allow: [upstream.files.host] }, ...more, upstreams }, clock)
  const manifestAt = (tag = 'latest', slash = '') => `${house.url}/static/pages/${name}/manifests/${tag}${slash}`
  return {
    upstream,
    house,
    manifestAt,
    /** As scripts do: the manifest, then the first of its URLs. */
    async pull(tag?: string): Promise<{ layer: Layer; image: Reply }> {
      const layer = await layerIn(await ask(manifestAt(tag)))
      return { layer, image: await ask(layer.urls[0]!) }
    },
    async [Symbol.asyncDispose]() {
      await upstream[Symbol.asyncDispose]()
      await house.stop()
    },
  }
}

async function layerIn(reply: Reply): Promise<Layer> {
  expect([reply.status, reply.headers['content-type']]).toEqual([200, 'application/json'])
  return JSON.parse(reply.body.toString()).layers[0]
}

const hexOf = (bytes: Uint8Array) => digestOfBytes(bytes).slice('sha256:'.length)
const md5Of = (bytes: Uint8Array) => digestOfBytes(bytes, 'md5')

describe('an image of a static registry', () => {
  test.each(['md5', 'sha256'] as const)('is had step by step, cold, warm, and with the pages gone: %s', async (algorithm) => {
    await using world = await createWorld({ freshFor: '1s' })
    world.upstream.push(`${name}:latest`, large, { algorithm })
    const digest = digestOfBytes(large, algorithm)
    const original = `${world.upstream.files.url}/artifacts/lab-tools-tool-latest.simg`

    const cold = await world.pull()
    expect([cold.layer.digest, cold.layer.size]).toEqual([digest, undefined])
    expect(cold.layer.urls).toEqual([`${world.house.url}/static/pages/${name}/blobs/latest`, original])
    expect([cold.image.status, cold.image.end, digestOfBytes(cold.image.body, algorithm)]).toEqual([200, 'clean', digest])
    expect(cold.image.headers['content-length']).toBe(String(large.length))
    await untilHeld(world.house.storePath, digestOfBytes(large))

    await until(async () => (await world.pull()).layer.size !== undefined, 'the size in the manifest')
    const warm = await world.pull()
    expect(warm.layer).toMatchObject({ digest, sha256: hexOf(large), size: large.length })
    expect(warm.layer.urls).toEqual([`${world.house.url}/blobs/sha256/${hexOf(large)}`, original])
    expect([warm.image.status, warm.image.sha256]).toEqual([200, digestOfBytes(large)])
    expect(world.upstream.bodies).toBe(1)

    await world.upstream.refuse()
    await new Promise((go) => setTimeout(go, 1_050))
    expect((await world.pull()).image.sha256).toBe(digestOfBytes(large))
    expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
  })

  test('is told of in a document that names nothing wrong', async () => {
    await using world = await createWorld()
    world.upstream.push(`${name}:latest`, small)
    const document = JSON.parse((await ask(world.manifestAt('latest', '/'))).body.toString())
    expect(document).toEqual({
      schemaVersion: 2,
      mediaType: 'application/vnd.singularity.distribution.manifest.v2+json',
      config: { mediaType: 'application/vnd.singularity.container.image.v1+json', digest: md5Of(small) },
      layers: [
        {
          mediaType: 'application/vnd.singularity.image.squashfs',
          digest: md5Of(small),
          urls: expect.arrayContaining([`${world.house.url}/static/pages/${name}/blobs/latest`]),
        },
      ],
    })
  })

  test('answers HEAD, ranges and the digests of its bytes by each name it has', async () => {
    await using world = await createWorld()
    world.upstream.push(`${name}:latest`, small)
    const cold = `${world.house.url}/static/pages/${name}/blobs/latest`
    expect((await ask(cold, { method: 'HEAD' })).status).toBe(200)
    expect(world.upstream.bodies).toBe(0)
    expect((await ask(cold)).headers.etag).toBeUndefined() // an md5 vouches for nobody
    await untilHeld(world.house.storePath, digestOfBytes(small))
    await until(async () => (await world.pull()).layer.sha256 !== undefined, 'the sha256 in the manifest')
    for (const url of [
      cold,
      `${world.house.url}/blobs/sha256/${hexOf(small)}`,
      `${world.house.url}/blobs/md5/${md5Of(small).slice(4)}`,
    ]) {
      const part = await ask(url, { headers: { range: 'bytes=10-19' } })
      expect([url, part.status, part.body]).toEqual([url, 206, small.subarray(10, 20)])
      expect((await ask(url, { method: 'HEAD' })).headers.etag).toBe(`"${digestOfBytes(small)}"`)
    }
  })

  test('lists its tags, which are what the page says without its README', async () => {
    await using world = await createWorld()
    for (const tag of ['latest', 'v1']) world.upstream.push(`${name}:${tag}`, small)
    for (const path of ['tags', 'tags/']) {
      const reply = await ask(`${world.house.url}/static/pages/${name}/${path}`)
      expect([reply.status, JSON.parse(reply.body.toString())]).toEqual([200, { name, tags: ['latest', 'v1'] }])
    }
    expect((await ask(`${world.house.url}/static/pages/lab/none/tags/`)).status).toBe(404)
  })

  test('has the tags that are known here while its pages are gone', async () => {
    await using world = await createWorld()
    world.upstream.push(`${name}:v1`, small)
    await world.pull('v1')
    await world.upstream.refuse()
    const reply = await ask(`${world.house.url}/static/pages/${name}/tags/`)
    expect([reply.status, JSON.parse(reply.body.toString()).tags]).toEqual([200, ['v1']])
  })

  test('that is another one now is given as that, with another digest', async () => {
    const clock = createHandClock()
    await using world = await createWorld({}, {}, clock)
    world.upstream.push(`${name}:latest`, small)
    expect((await world.pull()).image.sha256).toBe(digestOfBytes(small))
    await untilHeld(world.house.storePath, digestOfBytes(small))
    world.upstream.push(`${name}:latest`, large)
    await clock.advance(11 * 60_000)
    const after = await world.pull()
    expect([after.layer.digest, after.image.sha256]).toEqual([md5Of(large), digestOfBytes(large)])
  })

  test('of a wrong path or name is 404 or 400 in JSON', async () => {
    await using world = await createWorld()
    const paths = {
      '': 404,
      '/lab': 404,
      '/lab/tool/manifests/none': 404,
      '/lab/tool/blobs/none': 404,
      '/lab/.x/manifests/y': 400,
    }
    for (const [path, status] of Object.entries(paths)) {
      const reply = await ask(`${world.house.url}/static/pages${path}`)
      expect([path, reply.status, typeof JSON.parse(reply.body.toString()).message]).toEqual([path, status, 'string'])
    }
    expect((await ask(`${world.house.url}/static/nobody/${name}/manifests/latest`)).status).toBe(404)
    expect((await ask(world.manifestAt(), { method: 'PUT', body: '{}' })).status).toBe(405)
  })
})

describe('the places of an image', () => {
  test('are asked in their order until one has it', async () => {
    await using world = await createWorld()
    const dead = `http://127.0.0.1:${await deadPort()}/x.simg`
    const { url } = world.upstream.files
    world.upstream.push(`${name}:latest`, large, { urls: [dead, `${url}/gone.simg`, `${url}/right.simg`] })
    world.upstream.put('/right.simg', large)
    const house = world.house
    expect((await world.pull()).image.sha256).toBe(digestOfBytes(large))
    await untilHeld(house.storePath, digestOfBytes(large))
    expect(world.upstream.count({ path: '/gone.simg' })).toBe(1)
  })

  test.each(['md5', 'sha256'] as const)('that gives other bytes is left for the next: %s', async (algorithm) => {
    await using world = await createWorld()
    const at = ['/wrong.simg', '/right.simg']
    world.upstream.push(`${name}:latest`, small, { at, algorithm })
    world.upstream.put('/wrong.simg', seededBytes(small.length, 'wrong'))
    world.upstream.put('/right.simg', small)
    const { image } = await world.pull()
    expect([image.status, image.sha256]).toEqual([200, digestOfBytes(small)])
    await untilHeld(world.house.storePath, digestOfBytes(small))
    expect(await blobsOn(world.house.storePath)).toEqual([digestOfBytes(small)])
  })

  test.each(['md5', 'sha256'] as const)(
    'may break off: the rest of the same bytes comes from the next: %s',
    async (algorithm) => {
      await using world = await createWorld()
      const at = ['/one.simg', '/two.simg']
      world.upstream.push(`${name}:latest`, large, { at, algorithm })
      for (const path of at) world.upstream.put(path, large)
      world.upstream.fault({ path: '/one.simg' }, { cutAfter: 1_500_000 })
      const { image } = await world.pull()
      expect([image.status, image.end, image.sha256]).toEqual([200, 'clean', digestOfBytes(large)])
    },
  )

  test.each(['md5', 'sha256'] as const)('that have different bytes never make one body: %s', async (algorithm) => {
    await using world = await createWorld()
    const at = ['/one.simg', '/two.simg']
    world.upstream.push(`${name}:latest`, large, { at, algorithm })
    world.upstream.put('/one.simg', other)
    world.upstream.put('/two.simg', large)
    world.upstream.fault({ path: '/one.simg' }, { cutAfter: 1_500_000 })
    const { image } = await world.pull()
    expect([image.status, image.end]).toEqual([200, 'cut'])
    await until(async () => (await spoolsOn(world.house.storePath)).length === 0, 'no spool left')
    for (const digest of await blobsOn(world.house.storePath)) expect(digest).toBe(digestOfBytes(large))
    expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
  })

  test('that are gone are named, without their queries; what is here is given on', async () => {
    await using world = await createWorld({ freshFor: '1s' })
    const { url } = world.upstream.files
    world.upstream.push(`${name}:kept`, small, { at: ['/kept.simg'] })
    world.upstream.put('/kept.simg', small)
    await world.pull('kept')
    await untilHeld(world.house.storePath, digestOfBytes(small))
    await until(async () => (await world.pull('kept')).layer.sha256 !== undefined, 'the sha256 in the manifest')
    world.upstream.put('/kept.simg', undefined)
    world.upstream.push(`${name}:one`, large, { urls: [`${url}/artifacts/gone.simg?token=query`] })
    world.upstream.push(`${name}:two`, large, { urls: [`${url}/gone-1.simg`, `${url}/gone-2.simg`] })
    const one = await world.pull('one')
    expect(one.layer.urls).toHaveLength(1) // a query may be a signature, which is not told on
    expect([one.image.status, one.image.body.toString()]).toEqual([404, expect.stringContaining(`${url}/artifacts/gone.simg `)])
    expect(one.image.body.toString()).not.toContain('query')
    const two = (await world.pull('two')).image
    expect(two.status).toBe(502)
    for (const path of ['/gone-1.simg', '/gone-2.simg']) expect(two.body.toString()).toContain(url + path)
    await new Promise((go) => setTimeout(go, 1_050))
    expect((await world.pull('kept')).image.sha256).toBe(digestOfBytes(small))
  })

  test('are not dialled where they are private and not in the settings', async () => {
    await using canary = await createCanary()
    await using world = await createWorld()
    for (const algorithm of ['md5', 'sha256'] as const) {
      world.upstream.push(`${name}:${algorithm}`, large, { algorithm, urls: [`http://${canary.host}/x.simg`] })
      const { image } = await world.pull(algorithm)
      expect([image.status, image.body.toString()]).toEqual([502, expect.stringContaining('outbound.allow')])
    }
    expect(canary.connections).toBe(0)
  })

  test('get no credentials of the registry', async () => {
    const credentials = { token: { env: 'PAGES_TOKEN' } }
    await using world = await createWorld({ credentials }, { env: { PAGES_TOKEN: 'S3cret-token' } })
    world.upstream.push(`${name}:latest`, small)
    expect((await world.pull()).image.sha256).toBe(digestOfBytes(small))
    const proofs = (on: string) =>
      world.upstream.requests.filter((one) => one.on === on).map(({ headers }) => headers.authorization)
    expect(proofs('cdn')).toEqual([undefined])
    expect(new Set(proofs('registry'))).toEqual(new Set(['Bearer S3cret-token']))
  })
})

describe('a static registry with faults', () => {
  test.each([
    ['small', small],
    ['large', large],
  ])('whose digest is that of other bytes: nobody gets the end, and nothing is kept: %s', async (_, bytes) => {
    await using world = await createWorld()
    world.upstream.push(`${name}:latest`, bytes, { digest: md5Of(other) })
    const { image } = await world.pull()
    if (bytes === small) expect(image.status).toBe(502)
    else expect([image.status, image.end, image.body.length < bytes.length]).toEqual([200, 'cut', true])
    await until(async () => (await spoolsOn(world.house.storePath)).length === 0, 'no spool left')
    expect(await blobsOn(world.house.storePath)).toEqual([])
  })

  test.each([
    ['a page of HTML', '<html>Not a manifest</html>'],
    ['no layer', '{"layers":[]}'],
    ['no digest', '{"layers":[{"urls":["https://ci.example/x"]}]}'],
    ['no URL', `{"layers":[{"digest":"${md5Of(small)}"}]}`],
  ])('whose manifest is %s is not believed', async (_, body) => {
    await using world = await createWorld()
    world.upstream.fault({ on: 'registry' }, { body })
    world.upstream.push(`${name}:latest`, small)
    expect((await ask(world.manifestAt())).status).toBe(502)
  })
})
