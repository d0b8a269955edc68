import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { blob, KiB, MiB } from '../kit/blobs.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { lines, readMetalink } from '../kit/metalink-reply.ts'
import { createMirroredWorld } from '../kit/mirrored-world.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { createWorld, type WorldOptions } from '../kit/world.ts'

expectNoLeaks()

const tool = image({ seed: 'described', layers: [2 * MiB] })
const layer = tool.blobs[1]!
const hex = layer.digest.slice('sha256:'.length)

/** A house that knows of the layer from a manifest, and of a mirror that has it. The registry has it no more. */
async function knowing(options: WorldOptions = {}) {
  const world = await createMirroredWorld([{}], options)
  for (const place of [world.upstream, ...world.mirrors]) place.push('lab/tool', tool, '1')
  expect((await ask(world.manifest('lab/tool', '1'))).status).toBe(200)
  const document = `<${world.house.url}/blobs/sha256/${hex}.meta4>; rel=describedby; type="application/metalink4+xml"`
  return { ...world, document, url: world.blob('lab/tool', layer.digest) }
}

describe('a failure to give a blob that is known', () => {
  test.each([
    ['the registry has it no more', 404, { status: 404 }, {}],
    ['every place fails', 502, { status: 500 }, {}],
    ['it is not held, and that was the condition', 504, {}, { 'cache-control': 'only-if-cached' }],
  ])('tells where its metalink is: %s', async (_, status, fault, headers) => {
    await using world = await knowing()
    world.mirrors[0]!.fault({ method: 'GET' }, fault)
    world.upstream.fault({ path: '/blobs/' }, fault)
    for (const url of [world.url, `${world.house.url}/blobs/sha256/${hex}`]) {
      const reply = await ask(url, { headers })
      expect([reply.status, lines(reply, 'link')]).toEqual([status, [world.document]])
      expect([lines(reply, 'digest'), lines(reply, 'repr-digest')]).toEqual([[], []]) // they would be of the error's own body
    }
  })

  test('leads to a document that names the mirror, which a client may then take it from', async () => {
    await using world = await knowing()
    const headers = { 'cache-control': 'only-if-cached' }
    const [link] = lines(await ask(world.url, { headers }), 'link')
    const { files } = readMetalink(await ask(/<([^>]+)>/.exec(link!)![1]!), world.house.url)
    const places = files[0]!.urls.map(({ url }) => url)
    expect(places).toContain(world.at(0, layer.digest))
    expect((await ask(world.at(0, layer.digest))).sha256).toBe(layer.digest)
  })

  test.each([
    ['too many questions', 429, { status: 429 }],
    ['a refusal', 403, { status: 403 }],
  ])('tells nothing with %s', async (_, status, fault) => {
    await using world = await knowing()
    world.mirrors[0]!.fault({ method: 'GET' }, fault)
    world.upstream.fault({ path: '/blobs/' }, fault)
    const reply = await ask(world.url)
    expect([reply.status, lines(reply, 'link')]).toEqual([status, []])
  })
})

describe('a failure tells of no metalink', () => {
  const unknown = blob(KiB, 'unknown')

  test('of a blob that nobody has heard of', async () => {
    await using world = await knowing()
    for (const url of [world.blob('lab/tool', unknown.digest), `${world.house.url}/blobs/${unknown.digest.replace(':', '/')}`]) {
      const reply = await ask(url)
      expect([reply.status, lines(reply, 'link')]).toEqual([404, []])
    }
  })

  test('to who asks for it by a repository that has not got it', async () => {
    await using world = await knowing()
    for (const headers of [{}, { 'cache-control': 'only-if-cached' }]) {
      const reply = await ask(world.blob('lab/other', layer.digest), { headers })
      expect([404, 504]).toContain(reply.status)
      expect(lines(reply, 'link')).toEqual([])
    }
  })

  test('where that could not be given: its upstream is set to be offline', async () => {
    await using folder = await tempFolder()
    const house = { storePath: folder.path }
    await (await knowing({ house }))[Symbol.asyncDispose]()
    await using world = await createWorld({ house, settings: { offline: true } })
    for (const url of [world.blob('lab/tool', layer.digest), `${world.house.url}/blobs/sha256/${hex}`]) {
      const reply = await ask(url)
      expect([reply.status, lines(reply, 'link')]).toEqual([404, []])
    }
  })

  test('of a range that lies outside a held blob, or a condition that does not hold', async () => {
    await using world = await knowing()
    expect((await ask(world.url)).sha256).toBe(layer.digest)
    for (const [headers, status] of [
      [{ range: `bytes=${3 * MiB}-` }, 416],
      [{ 'if-match': '"another"' }, 412],
    ] as const) {
      const reply = await ask(world.url, { headers })
      expect([reply.status, lines(reply, 'link')]).toEqual([status, []])
    }
  })
})
