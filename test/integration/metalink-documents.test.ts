import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { ask, errorCodes } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { untilHeld } from '../kit/disk.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { duplicates, lines, readMetalink } from '../kit/metalink-reply.ts'
import { createMirroredWorld } from '../kit/mirrored-world.ts'
import { tempFolder } from '../kit/temp-folder.ts'

expectNoLeaks()

const layer = blob(9 * MiB, 'metalink')
const hex = layer.digest.slice('sha256:'.length)

/** A house that knows of the layer, by a HEAD, and that the mirror has it. */
async function knowing(options: Parameters<typeof createMirroredWorld>[1] = {}) {
  const world = await createMirroredWorld([{ settings: { country: 'de' } }], options)
  for (const place of [world.upstream, ...world.mirrors]) place.pushBlob('lab/tool', layer)
  const url = world.blob('lab/tool', layer.digest)
  await expect.poll(async () => duplicates(await ask(url, { method: 'HEAD' })).length).toBe(2)
  return world
}

describe('the metalink of a blob', () => {
  test('lists us first, then the mirror, then the upstream, each with its priority', async () => {
    await using world = await knowing()
    const { files, origin } = readMetalink(await ask(world.meta4(layer.digest)), world.house.url)
    expect(files).toHaveLength(1)
    expect(files[0]).toMatchObject({ name: hex, size: layer.bytes.length, sha256: hex })
    expect(files[0]!.urls).toEqual([
      { url: `${world.house.url}/blobs/sha256/${hex}`, priority: 1, location: undefined },
      { url: world.at(0, layer.digest), priority: 2, location: 'de' },
      { url: `${world.upstream.url}/v2/lab/tool/blobs/${layer.digest}`, priority: 3, location: undefined },
    ])
    expect(origin).toBe(`${world.house.url}/blobs/sha256/${hex}.meta4`)
  })

  test('is written without fetching the blob from anywhere', async () => {
    await using world = await knowing()
    const { files } = readMetalink(await ask(world.meta4(layer.digest)), world.house.url)
    expect(files[0]!.pieces).toEqual([])
    const gets = [world.upstream, ...world.mirrors].map((place) => place.count({ path: '/blobs/', method: 'GET' }))
    expect(gets).toEqual([0, 0])
  })

  test('has the hash of every piece once the blob came in', async () => {
    await using world = await knowing()
    expect((await ask(world.blob('lab/tool', layer.digest))).sha256).toBe(layer.digest)
    await untilHeld(world.house.storePath, layer.digest)
    const wanted = Array.from({ length: 9 }, (_, at) =>
      createHash('sha256')
        .update(layer.bytes.subarray(at * MiB, (at + 1) * MiB))
        .digest('hex'),
    )
    // They are written down just after the blob.
    await expect
      .poll(async () => readMetalink(await ask(world.meta4(layer.digest)), world.house.url).files[0])
      .toMatchObject({ pieceLength: MiB, pieces: wanted })
  })

  test('is a download with a name that ends in .meta4, and is the same for HEAD', async () => {
    await using world = await knowing()
    const got = await ask(world.meta4(layer.digest))
    const head = await ask(world.meta4(layer.digest), { method: 'HEAD' })
    expect(got.headers['content-disposition']).toBe(`attachment; filename="${hex}.meta4"`)
    expect(head.body.length).toBe(0)
    const without = ({ date: _, ...headers }: typeof got.headers) => headers
    expect(without(head.headers)).toEqual(without(got.headers))
    expect(lines(got, 'vary').join()).toMatch(/accept/i)
  })

  test('is not sent again to who has it, and has another ETag when it says something else', async () => {
    await using world = await knowing()
    const url = world.meta4(layer.digest)
    const first = await ask(url)
    const etag = String(first.headers.etag)
    expect(etag).toMatch(/^"[^"]+"$/)
    const again = await ask(url, { headers: { 'if-none-match': etag } })
    expect([again.status, again.headers.etag, again.body.length]).toEqual([304, etag, 0])
    expect((await ask(url)).body.equals(first.body)).toBe(true)
    expect((await ask(url, { headers: { 'if-match': '"another"' } })).status).toBe(412)

    await ask(world.blob('lab/tool', layer.digest))
    await expect.poll(async () => (await ask(url, { headers: { 'if-none-match': etag } })).status).toBe(200)
  })

  test('stays the same, to the byte, when other blobs become known', async () => {
    await using world = await knowing()
    const other = blob(5 * MiB, 'other')
    world.upstream.pushBlob('lab/other', other)
    const first = await ask(world.meta4(layer.digest))
    await ask(world.blob('lab/other', other.digest))
    await untilHeld(world.house.storePath, other.digest)
    await expect.poll(async () => (await ask(world.meta4(other.digest))).body.includes('<pieces')).toBe(true)
    expect((await ask(world.meta4(layer.digest))).body.toString()).toBe(first.body.toString())
  })

  test('outlives the server with its pieces and its date', async () => {
    await using folder = await tempFolder()
    const house = { storePath: folder.path }
    const told = async () => {
      await using world = await knowing({ house })
      await ask(world.blob('lab/tool', layer.digest))
      await untilHeld(folder.path, layer.digest)
      await expect.poll(async () => (await ask(world.meta4(layer.digest))).body.includes('<pieces')).toBe(true)
      const { files, published } = readMetalink(await ask(world.meta4(layer.digest)), world.house.url)
      return {
        pieces: files[0]!.pieces,
        published,
        fetched: world.upstream.bodies(layer.digest) + world.mirrors[0]!.bodies(layer.digest),
      }
    }
    const before = await told()
    expect(await told()).toEqual({ ...before, fetched: 0 })
    expect(before.fetched).toBe(1)
  })

  test.each([
    ['a digest nobody has heard of', `/blobs/sha256/${'0'.repeat(64)}.meta4`, 404],
    ['half a digest', '/blobs/sha256/abc.meta4', 400],
    ['an unknown algorithm', `/blobs/whirlpool/${hex}.meta4`, 400],
    ['no digest at all', '/blobs/x', 400],
    ['an unknown upstream', '/metalink/nowhere.example/lab/tool:1.meta4', 404],
    ['an image without tag or digest', '/metalink/lab.example/lab/tool.meta4', 400],
    ['another suffix', '/metalink/lab.example/lab/tool:1.xml', 400],
    ['an encoded slash', '/metalink/lab.example/lab%2Ftool:1.meta4', 400],
    ['a platform that is none', '/metalink/lab.example/lab/tool:1.meta4?platform=../x', 400],
  ])('%s is refused with an error that says why', async (_, path, status) => {
    await using world = await knowing()
    const reply = await ask(world.house.url + path)
    expect(reply.status).toBe(status)
    expect(errorCodes(reply)).toHaveLength(1)
  })
})

describe('which answer an Accept field gets', () => {
  const aria2 = '*/*,application/metalink4+xml,application/metalink+xml'
  const oci = 'application/vnd.oci.image.layer.v1.tar+gzip, application/octet-stream'

  test.each([
    ['that names the document alone', 'application/metalink4+xml', 'application/metalink4+xml'],
    ['of aria2, which names it beside everything', aria2, 'application/octet-stream'],
    ['of a container client', oci, 'application/octet-stream'],
    ['that is not there', undefined, 'application/octet-stream'],
  ])('one %s', async (_, accept, type) => {
    await using world = await knowing()
    for (const url of [world.blob('lab/tool', layer.digest), `${world.house.url}/blobs/sha256/${hex}`]) {
      const reply = await ask(url, accept === undefined ? {} : { headers: { accept } })
      expect([reply.status, reply.headers['content-type']]).toEqual([200, type])
      expect(lines(reply, 'vary').join().toLowerCase()).toContain('accept')
      if (type === 'application/octet-stream') expect(reply.sha256).toBe(layer.digest)
      else expect(readMetalink(reply, world.house.url).files[0]!.sha256).toBe(hex)
    }
  })
})

describe('our own URL in documents and fields', () => {
  const evil = { headers: { host: 'evil.example' } }
  const told = async (world: Awaited<ReturnType<typeof knowing>>, options: object) => {
    const document = await ask(world.meta4(layer.digest), options)
    const head = await ask(`${world.house.url}/v2/lab.example/lab/tool/blobs/${layer.digest}`, { ...options, method: 'HEAD' })
    return { document, text: document.body.toString() + document.rawHeaders.join('\n') + head.rawHeaders.join('\n') }
  }

  test('is never what a stranger calls us', async () => {
    await using world = await knowing()
    const { text } = await told(world, evil)
    expect(text).not.toContain('evil.example')
    expect(text).toContain(`${world.house.url}/blobs/`)
  })

  test('is publicUrl, with its path, where that is set', async () => {
    await using world = await knowing({ house: { more: { publicUrl: 'https://cache.site.example/forebay/' } } })
    const { document, text } = await told(world, evil)
    const { files } = readMetalink(document, 'https://cache.site.example/forebay/')
    expect(files[0]!.urls[0]!.url).toBe(`https://cache.site.example/forebay/blobs/sha256/${hex}`)
    expect(text).not.toContain(world.house.url)
    expect(text).not.toContain('evil.example')
  })

  test('is the name a client used, where the settings know it', async () => {
    const more = { publicUrl: 'http://cache.site.example', publicHosts: ['cache.lan:8080'] }
    await using world = await knowing({ house: { more } })
    const { document, text } = await told(world, { headers: { host: 'Cache.LAN:8080' } })
    expect(readMetalink(document, 'http://cache.lan:8080').files[0]!.urls[0]!.url).toBe(
      `http://cache.lan:8080/blobs/sha256/${hex}`,
    )
    expect(text).not.toContain('cache.site.example')
    expect((await told(world, evil)).text).toContain('http://cache.site.example/blobs/')
  })

  test('is asked of the operator where we listen on every address: an error names the setting, blobs go on', async () => {
    await using world = await knowing({ house: { more: { listen: { host: '0.0.0.0', port: 0 } } } })
    const document = await ask(world.meta4(layer.digest))
    expect([document.status, document.body.toString()]).toEqual([404, expect.stringContaining('publicUrl')])
    const bytes = await ask(world.blob('lab/tool', layer.digest))
    expect([bytes.status, bytes.sha256]).toEqual([200, layer.digest])
    expect(lines(bytes, 'link').filter((line) => line.includes('describedby'))).toEqual([])
  })
})
