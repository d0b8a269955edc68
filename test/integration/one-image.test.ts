import { describe, expect, test } from 'vitest'
import { ociManifest } from '../../src/model/media-type.ts'
import { ask } from '../kit/ask.ts'
import { blob, digestOfBytes, hexOfBytes, json } from '../kit/blobs.ts'
import { blobsOn, until, wrongBlobsOn } from '../kit/disk.ts'
import { createEveryKind, type EveryKind } from '../kit/every-kind.ts'
import { type House, startHouse } from '../kit/house.ts'
import { sifConfig, sifLayer } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { collidingBytes } from '../kit/md5-collision.ts'
import { buildSif } from '../kit/sif.ts'

expectNoLeaks()

const image = buildSif({ partitions: [{ bytes: blob(200_000, 'partition').bytes }] })
const digest = digestOfBytes(image)

interface World extends AsyncDisposable {
  readonly house: House
  readonly kinds: EveryKind
}

async function withEveryKind(): Promise<World> {
  const kinds = await createEveryKind()
  const house = await startHouse(kinds.settings)
  return {
    house,
    kinds,
    async [Symbol.asyncDispose]() {
      await kinds[Symbol.asyncDispose]()
      await house.stop()
    },
  }
}

const settled = ({ house }: World) => until(async () => (await house.metric('transfer_fills_running')) === 0, 'no fill')

/** The image as an ORAS artifact: its manifest and its config, which are blobs of their own. */
function pushOras({ kinds: { registry } }: World) {
  const config = json({}, sifConfig)
  registry.pushBlob('lab/tool', config)
  registry.pushBlob('lab/tool', { bytes: image, digest, mediaType: sifLayer })
  const described = (mediaType: string, one: { digest: string; bytes: Buffer }) => ({
    mediaType,
    digest: one.digest,
    size: one.bytes.length,
  })
  const manifest = json(
    {
      schemaVersion: 2,
      mediaType: ociManifest,
      config: described(sifConfig, config),
      layers: [described(sifLayer, { digest, bytes: image })],
    },
    ociManifest,
  )
  registry.pushManifest('lab/tool', manifest, 'v1')
  return { config: config.digest, manifest: manifest.digest }
}

/** Each way of asking for it, as its clients do. */
const ways: Readonly<Record<string, (world: World) => Promise<Buffer>>> = {
  async library({ house }) {
    await ask(`${house.url}/v1/images/e/c/tool:v1?arch=amd64`)
    const file = await ask(`${house.url}/v1/imagefile/e/c/tool:v1?arch=amd64`)
    return (file.status === 303 ? await ask(file.headers.location!) : file).body
  },
  async shub({ house }) {
    const { body } = await ask(`${house.url}/api/container/c/tool:v1`)
    return (await ask(JSON.parse(body.toString()).image)).body
  },
  async static({ house }) {
    const { body } = await ask(`${house.url}/static/storage/tool/manifests/v1/`)
    return (await ask(JSON.parse(body.toString()).layers[0].urls[0])).body
  },
  files: async ({ house }) => (await ask(`${house.url}/files/data/d/tool.sif`)).body,
  async oras({ house }) {
    const { body } = await ask(`${house.url}/v2/lab.example/lab/tool/manifests/v1`)
    const [layer] = JSON.parse(body.toString()).layers
    return (await ask(`${house.url}/v2/lab.example/lab/tool/blobs/${layer.digest}`)).body
  },
}

function pushEverywhere(world: World) {
  const { library, shub, pages, files } = world.kinds
  library.push('e/c/tool:v1', image)
  shub.push('c/tool:v1', image, { version: 'sha256' })
  pages.push('tool:v1', image, { algorithm: 'sha256' })
  files.put('d/tool.sif', image)
  files.put('d/SHA256SUMS', `${hexOfBytes(image)}  tool.sif\n`)
  return pushOras(world)
}

const bodiesIn = ({ kinds: { library, shub, pages, files, registry } }: World) =>
  library.transfers + shub.bodies + pages.bodies + files.bodiesOf('d/tool.sif') + registry.bodies(digest)

describe('one image', () => {
  test.each(Object.keys(ways))('is one blob and one body, however it is asked for, first by %s', async (firstWay) => {
    await using world = await withEveryKind()
    const oras = pushEverywhere(world)
    const order = [firstWay, ...Object.keys(ways).filter((way) => way !== firstWay)]
    for (const way of order) {
      expect([way, (await ways[way]!(world)).equals(image)]).toEqual([way, true])
      await settled(world)
      expect([way, bodiesIn(world)]).toEqual([way, 1])
    }
    expect([...(await blobsOn(world.house.storePath))].sort()).toEqual([digest, oras.manifest].sort())
  })

  test('is one blob also where it is known by its bytes only once they are here', async () => {
    await using world = await withEveryKind()
    const { library, shub, pages, files } = world.kinds
    library.push('e/c/tool:v1', image, { hash: 'none' })
    shub.push('c/tool:v1', image)
    pages.push('tool:v1', image)
    files.put('d/tool.sif', image)
    for (const way of ['library', 'shub', 'static', 'files']) expect((await ways[way]!(world)).equals(image)).toBe(true)
    await settled(world)
    expect(await blobsOn(world.house.storePath)).toEqual([digest])
    const bodies = bodiesIn(world)
    for (const way of ['library', 'shub', 'static', 'files']) expect((await ways[way]!(world)).equals(image)).toBe(true)
    expect(bodiesIn(world)).toBe(bodies)
    expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
  })

  test('asked for in every way at once is one body', async () => {
    await using world = await withEveryKind()
    pushEverywhere(world)
    const got = await Promise.all(Object.values(ways).map((way) => way(world)))
    expect(got.map((bytes) => bytes.equals(image))).toEqual(Array(5).fill(true))
    await settled(world)
    expect(bodiesIn(world)).toBe(1)
  })
})

describe('a blob by another digest of it', () => {
  test('is found once that is known of it, and its sha-256 is what the answer tells', async () => {
    await using world = await withEveryKind()
    const { pages, files } = world.kinds
    pages.push('tool:v1', image)
    files.put('d/tool.sif', image)
    files.put('d/tool.sif.sha512', hexOfBytes(image, 'sha512'))
    const byMd5 = `${world.house.url}/blobs/md5/${hexOfBytes(image, 'md5')}`
    const bySha512 = `${world.house.url}/blobs/sha512/${hexOfBytes(image, 'sha512')}`
    for (const url of [byMd5, bySha512]) expect((await ask(url)).status).toBe(404)
    await ways.static!(world)
    await ways.files!(world)
    await settled(world)
    await until(async () => (await ask(byMd5)).status === 200 && (await ask(bySha512)).status === 200, 'both')
    for (const url of [byMd5, bySha512]) {
      for (const method of ['HEAD', 'GET']) {
        const reply = await ask(url, { method })
        expect([reply.status, reply.headers['content-length']]).toEqual([200, String(image.length)])
        if (url === byMd5) expect(reply.headers.digest).toBe(`SHA-256=${Buffer.from(digest.slice(7), 'hex').toString('base64')}`)
        if (method === 'GET') expect(reply.sha256).toBe(digest)
      }
      expect((await ask(url, { headers: { range: 'bytes=5-9' } })).body.equals(image.subarray(5, 10))).toBe(true)
    }
  })

  test('an md5 vouches for nobody else: two images that have the same one stay two', async () => {
    const [mine, theirs] = collidingBytes()
    expect([digestOfBytes(mine, 'md5'), digestOfBytes(mine) === digestOfBytes(theirs)]).toEqual([
      digestOfBytes(theirs, 'md5'),
      false,
    ])
    await using world = await withEveryKind()
    const { pages, shub } = world.kinds
    pages.push('tool:v1', mine)
    shub.push('c/tool:v1', theirs) // its version is the md5
    for (let time = 0; time < 2; time++) {
      expect(digestOfBytes(await ways.static!(world))).toBe(digestOfBytes(mine))
      await settled(world)
      expect(digestOfBytes(await ways.shub!(world))).toBe(digestOfBytes(theirs))
      await settled(world)
    }
    expect([...(await blobsOn(world.house.storePath))].sort()).toEqual([digestOfBytes(mine), digestOfBytes(theirs)].sort())
    for (const what of ['blobs', 'manifests']) {
      const url = `${world.house.url}/v2/lab.example/lab/tool/${what}/${digestOfBytes(mine, 'md5')}`
      expect([what, (await ask(url)).status]).toEqual([what, 404])
    }
    const byMd5 = await ask(`${world.house.url}/blobs/md5/${hexOfBytes(mine, 'md5')}`)
    expect([byMd5.status, byMd5.sha256]).toEqual([200, digestOfBytes(mine)]) // whose it was first
  })
})
