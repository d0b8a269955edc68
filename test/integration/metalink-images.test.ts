import { describe, expect, test } from 'vitest'
import { ask, errorCodes } from '../kit/ask.ts'
import { content, MiB } from '../kit/blobs.ts'
import { type Image, image, index, multiPlatform, sif } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { readMetalink, type ToldFile } from '../kit/metalink-reply.ts'
import { createMirroredWorld } from '../kit/mirrored-world.ts'

expectNoLeaks()

const hexOf = (digest: string) => digest.slice('sha256:'.length)
const names = (files: readonly ToldFile[]) => files.map(({ name }) => name).sort()
const layoutNames = (folder: string, ...digests: readonly string[]) =>
  [`${folder}/index.json`, `${folder}/oci-layout`, ...digests.map((digest) => `${folder}/blobs/sha256/${hexOf(digest)}`)].sort()
const digestsOf = ({ manifest, blobs }: Image) => [manifest, ...blobs].map(({ digest }) => digest)

const native = process.arch === 'x64' ? 0 : 1
const both = multiPlatform({ layers: [5 * MiB, 3000] })

async function withImage(what: Image, ...tags: readonly string[]) {
  const world = await createMirroredWorld([{}])
  for (const place of [world.upstream, ...world.mirrors]) place.push('lab/tool', what, ...tags)
  return world
}

/** Downloads every file of a document from us, and compares each with what the document says. */
async function download(files: readonly ToldFile[]): Promise<ReadonlyMap<string, Buffer>> {
  const held = new Map<string, Buffer>()
  for (const { name, size, sha256, urls } of files) {
    const reply = await ask(urls[0]!.url)
    expect([name, reply.status, reply.body.length, reply.sha256]).toEqual([name, 200, size, `sha256:${sha256}`])
    held.set(name, reply.body)
  }
  return held
}

describe('the metalink of an image', () => {
  test('is a whole OCI image layout of one platform', async () => {
    await using world = await withImage(both, '1.0')
    const { files } = readMetalink(await ask(world.imageMeta4('lab/tool:1.0')), world.house.url)
    const child = both.children[native]!
    expect(names(files)).toEqual(layoutNames('tool_1.0', ...digestsOf(child)))

    const held = await download(files)
    expect(JSON.parse(held.get('tool_1.0/oci-layout')!.toString())).toEqual({ imageLayoutVersion: '1.0.0' })
    const { manifests } = JSON.parse(held.get('tool_1.0/index.json')!.toString())
    expect(manifests).toEqual([
      {
        mediaType: child.manifest.mediaType,
        digest: child.manifest.digest,
        size: child.manifest.bytes.length,
        annotations: { 'org.opencontainers.image.ref.name': '1.0' },
      },
    ])
  })

  test('is written after fetching manifests, and no blob', async () => {
    await using world = await withImage(both, '1.0')
    readMetalink(await ask(world.imageMeta4('lab/tool:1.0')), world.house.url)
    expect(world.upstream.count({ path: '/blobs/', method: 'GET' })).toBe(0)
    expect(world.mirrors[0]!.count({ path: '/blobs/', method: 'GET' })).toBe(0)
    expect(world.upstream.count({ path: '/manifests/', method: 'GET' })).toBe(2)
  })

  test('of another platform is asked for by name', async () => {
    await using world = await withImage(both, '1.0')
    const other = both.children[1 - native]!
    const platform = native === 0 ? 'linux/arm64' : 'linux/amd64'
    const told = readMetalink(await ask(world.imageMeta4('lab/tool:1.0', `?platform=${platform}`)), world.house.url)
    expect(names(told.files)).toEqual(layoutNames('tool_1.0', ...digestsOf(other)))
    expect(told.origin).toBe(world.imageMeta4('lab/tool:1.0', `?platform=${platform}`))
  })

  test('of all platforms keeps the index', async () => {
    await using world = await withImage(both, '1.0')
    const { files } = readMetalink(await ask(world.imageMeta4('lab/tool:1.0', '?platform=all')), world.house.url)
    const digests = [both, ...both.children].flatMap(digestsOf)
    expect(names(files)).toEqual(layoutNames('tool_1.0', ...digests))
    const held = await download(files)
    const { manifests } = JSON.parse(held.get('tool_1.0/index.json')!.toString())
    expect(manifests).toMatchObject([{ digest: both.manifest.digest, mediaType: both.manifest.mediaType }])
  })

  test('a platform that is not there is an error that lists those that are', async () => {
    await using world = await withImage(both, '1.0')
    const reply = await ask(world.imageMeta4('lab/tool:1.0', '?platform=linux/s390x'))
    expect([reply.status, errorCodes(reply)]).toEqual([404, ['MANIFEST_UNKNOWN']])
    expect(reply.body.toString()).toMatch(/linux\/amd64.*linux\/arm64/)
  })

  test('a variant is found where only the architecture is said', async () => {
    const arm = image({ seed: 'v7', platform: { os: 'linux', architecture: 'arm', variant: 'v7' } })
    await using world = await withImage(index([arm]), '1.0')
    const { files } = readMetalink(await ask(world.imageMeta4('lab/tool:1.0', '?platform=linux/arm')), world.house.url)
    expect(names(files)).toEqual(layoutNames('tool_1.0', ...digestsOf(arm)))
  })

  test('an image without an index is that image, whatever this machine is', async () => {
    const plain = image({ seed: 'plain', style: 'docker' })
    await using world = await withImage(plain, '1.0')
    const { files } = readMetalink(await ask(world.imageMeta4('lab/tool:1.0')), world.house.url)
    expect(names(files)).toEqual(layoutNames('tool_1.0', ...digestsOf(plain)))
  })

  test('a layer that the manifest names twice is one file', async () => {
    const once = image({ seed: 'twice', layers: [3000] })
    const document = JSON.parse(once.manifest.bytes.toString())
    const bytes = Buffer.from(JSON.stringify({ ...document, layers: [...document.layers, ...document.layers] }))
    await using world = await withImage(once)
    const manifest = content(bytes, once.manifest.mediaType)
    world.upstream.pushManifest('lab/tool', manifest, '1.0')
    const { files } = readMetalink(await ask(world.imageMeta4('lab/tool:1.0')), world.house.url)
    expect(names(files)).toEqual(layoutNames('tool_1.0', manifest.digest, ...once.blobs.map(({ digest }) => digest)))
  })

  test('by digest names its folder after the digest', async () => {
    await using world = await withImage(both.children[0]!, '1.0')
    const { manifest } = both.children[0]!
    const reply = await ask(world.imageMeta4(`lab/tool@${manifest.digest}`))
    const { files } = readMetalink(reply, world.house.url)
    const folder = `tool_${hexOf(manifest.digest).slice(0, 12)}`
    expect(names(files)).toEqual(layoutNames(folder, ...digestsOf(both.children[0]!)))
    expect(reply.headers['content-disposition']).toBe(`attachment; filename="${folder}.meta4"`)
  })

  test('of a SIF is that one file, under a name that says what it is', async () => {
    const tool = sif(6 * MiB)
    await using world = await withImage(tool, '2.1')
    const reply = await ask(world.imageMeta4('lab/tool:2.1'))
    const { files } = readMetalink(reply, world.house.url)
    expect(files).toMatchObject([{ name: 'tool_2.1.sif', size: 6 * MiB, sha256: hexOf(tool.blobs[1]!.digest) }])
    expect(reply.headers['content-disposition']).toBe('attachment; filename="tool_2.1.meta4"')
    await download(files)
  })

  test('lists a mirror for what it holds, and us alone for what we made', async () => {
    await using world = await withImage(both, '1.0')
    const child = both.children[native]!
    const urls = async (name: string) => {
      const { files } = readMetalink(await ask(world.imageMeta4('lab/tool:1.0')), world.house.url)
      return files.find((file) => file.name === `tool_1.0/${name}`)!.urls.map(({ url }) => url)
    }
    const layer = child.blobs[1]!.digest
    await expect.poll(() => urls(`blobs/sha256/${hexOf(layer)}`)).toContain(world.at(0, layer))
    for (const made of ['index.json', 'oci-layout']) expect(await urls(made)).toHaveLength(1)
    expect(world.mirrors[0]!.requests.every(({ method }) => method === 'HEAD')).toBe(true)
  })
})

describe('the metalink of a tag', () => {
  test('follows the tag when it moves: other digests, another ETag, no URL with the tag in it', async () => {
    await using world = await createMirroredWorld([{}], { settings: { freshFor: '1s' } })
    const [one, two] = [image({ seed: 'one' }), image({ seed: 'two' })]
    const url = world.imageMeta4('lab/tool:latest')
    world.upstream.push('lab/tool', one, 'latest')
    const first = await ask(url)
    const etag = String(first.headers.etag)
    expect(first.headers['cache-control']).toBe('no-cache')
    expect((await ask(url, { headers: { 'if-none-match': etag } })).status).toBe(304)

    world.upstream.push('lab/tool', two, 'latest')
    await expect.poll(async () => (await ask(url, { headers: { 'if-none-match': etag } })).status).toBe(200)
    const second = await ask(url)
    const [before, after] = [first, second].map((reply) => readMetalink(reply, world.house.url))
    expect(names(before!.files)).toEqual(layoutNames('tool_latest', ...digestsOf(one)))
    expect(names(after!.files)).toEqual(layoutNames('tool_latest', ...digestsOf(two)))
    expect(second.headers.etag).not.toBe(etag)
    for (const { urls } of [...before!.files, ...after!.files])
      for (const { url } of urls) expect(url).toMatch(/\/blobs\/sha256[:/][0-9a-f]{64}$/)
  })

  test('is asked of the upstream again when the client says no-cache', async () => {
    await using world = await withImage(image({ seed: 'fresh' }), '1')
    await ask(world.imageMeta4('lab/tool:1'))
    const before = world.upstream.count({ path: '/manifests/1' })
    await ask(world.imageMeta4('lab/tool:1'))
    expect(world.upstream.count({ path: '/manifests/1' })).toBe(before)
    await ask(world.imageMeta4('lab/tool:1'), { headers: { 'cache-control': 'no-cache' } })
    expect(world.upstream.count({ path: '/manifests/1' })).toBe(before + 1)
  })

  test('that ends in .meta4 itself is a tag like any other', async () => {
    await using world = await withImage(image({ seed: 'odd' }), 'x.meta4')
    const manifest = await ask(world.manifest('lab/tool', 'x.meta4'))
    expect(manifest.sha256).toBe(image({ seed: 'odd' }).manifest.digest)
    readMetalink(await ask(world.imageMeta4('lab/tool:x.meta4')), world.house.url)
  })

  test('of a manifest is told in its answers, and no mirror is', async () => {
    await using world = await withImage(image({ seed: 'told' }), '1')
    const reply = await ask(world.manifest('lab/tool', '1'))
    const links = reply.rawHeaders.filter((_, at) => reply.rawHeaders[at - 1]?.toLowerCase() === 'link')
    expect(links).toEqual([`<${world.imageMeta4('lab/tool:1')}>; rel=describedby; type="application/metalink4+xml"`])
  })

  test('is answered with the same bytes while the upstream is away', async () => {
    await using world = await withImage(image({ seed: 'away' }), '1')
    const first = await ask(world.imageMeta4('lab/tool:1'))
    await world.upstream.refuse()
    expect((await ask(world.imageMeta4('lab/tool:1'))).body.toString()).toBe(first.body.toString())
  })
})
