import { createHash } from 'node:crypto'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { blob, type Content, digestOfBytes, MiB } from '../kit/blobs.ts'
import { blobPath, untilHeld } from '../kit/disk.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { lines } from '../kit/metalink-reply.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { createWorld, type WorldOptions } from '../kit/world.ts'

expectNoLeaks()

const base64Of = (bytes: Uint8Array, algorithm: string) => createHash(algorithm).update(bytes).digest('base64')
const named = (content: Content, algorithm: 'sha512' | 'md5'): Content => ({
  ...content,
  digest: digestOfBytes(content.bytes, algorithm),
})

describe('a digest that the client asks for', () => {
  const layer = blob(40_000, 'wanted')
  const strong = named(layer, 'sha512')
  const sha256 = base64Of(layer.bytes, 'sha256')
  const sha512 = base64Of(layer.bytes, 'sha512')

  /** A house that holds the layer, and knows its sha512 because somebody asked by it. */
  async function knowing() {
    const world = await createWorld()
    world.upstream.pushBlob('lab/tool', layer, strong)
    for (const { digest } of [layer, strong]) expect((await ask(world.blob('lab/tool', digest))).sha256).toBe(layer.digest)
    await untilHeld(world.house.storePath, layer.digest)
    const head = () => ask(world.blob('lab/tool', layer.digest), { method: 'HEAD', headers: { 'want-digest': 'SHA-512' } })
    await expect.poll(async () => lines(await head(), 'digest')[0]).toContain('SHA-512=') // written down just after the blob
    return world
  }

  const told = async (url: string, headers: Record<string, string>, method = 'GET') => {
    const reply = await ask(url, { method, headers })
    return [lines(reply, 'digest'), lines(reply, 'repr-digest')].map((values) => values.join(' and '))
  }

  test.each([
    ['none', {}, `SHA-256=${sha256}`, `sha-256=:${sha256}:`],
    [
      'the three of aria2',
      { 'want-digest': 'SHA-512;q=1, SHA-256;q=1, SHA;q=0.1' },
      `SHA-256=${sha256},SHA-512=${sha512}`,
      `sha-256=:${sha256}:`,
    ],
    ['the newer field', { 'want-repr-digest': 'sha-512=10' }, `SHA-256=${sha256}`, `sha-256=:${sha256}:, sha-512=:${sha512}:`],
    ['what is not wanted', { 'want-digest': 'SHA-512;q=0' }, `SHA-256=${sha256}`, `sha-256=:${sha256}:`],
    ['what nobody computed', { 'want-digest': 'MD5, SHA' }, `SHA-256=${sha256}`, `sha-256=:${sha256}:`],
    ['nonsense', { 'want-digest': 'SHA-512;q=', 'want-repr-digest': '{' }, `SHA-256=${sha256}`, `sha-256=:${sha256}:`],
  ])('is told where it is known: %s', async (_, headers, digest, reprDigest) => {
    await using world = await knowing()
    for (const url of [world.blob('lab/tool', layer.digest), `${world.house.url}/blobs/${layer.digest.replace(':', '/')}`])
      for (const method of ['GET', 'HEAD']) expect(await told(url, headers, method)).toEqual([digest, reprDigest])
  })

  test('is told with every kind of answer', async () => {
    await using world = await knowing()
    const wants = { 'want-digest': 'SHA-512', 'want-repr-digest': 'sha-512=1' }
    const url = world.blob('lab/tool', layer.digest)
    const kinds = [{ range: 'bytes=0-9' }, { range: 'bytes=0-9,20-29' }, { 'if-none-match': `"${layer.digest}"` }]
    const replies = await Promise.all(kinds.map((kind) => ask(url, { headers: { ...wants, ...kind } })))
    expect(replies.map(({ status }) => status)).toEqual([206, 206, 304])
    for (const reply of replies) {
      expect(lines(reply, 'digest')).toEqual([`SHA-256=${sha256},SHA-512=${sha512}`])
      expect(lines(reply, 'repr-digest')).toEqual([`sha-256=:${sha256}:, sha-512=:${sha512}:`])
    }
  })

  test('by a sha512 puts the sha256 before it, once that is known', async () => {
    await using world = await knowing()
    const url = world.blob('lab/tool', strong.digest)
    expect((await told(url, { 'want-digest': 'SHA-512' }))[0]).toBe(`SHA-256=${sha256},SHA-512=${sha512}`)
    expect((await ask(url)).headers.etag).toBe(`"${strong.digest}"`)
    const unknown = blob(1000, 'not here')
    world.upstream.pushBlob('lab/tool', named(unknown, 'sha512'))
    const reply = await told(world.blob('lab/tool', named(unknown, 'sha512').digest), { 'want-digest': 'SHA-256' }, 'HEAD')
    expect(reply[0]).toBe(`SHA-512=${base64Of(unknown.bytes, 'sha512')}`)
  })

  test('of a weak kind stands in the old field alone', async () => {
    await using world = await createWorld()
    const weak = named(layer, 'md5')
    world.upstream.pushBlob('lab/tool', layer, weak)
    await ask(world.blob('lab/tool', weak.digest))
    await untilHeld(world.house.storePath, layer.digest)
    const md5 = base64Of(layer.bytes, 'md5')
    const wants = { 'want-digest': 'MD5', 'want-repr-digest': 'md5=10' }
    await expect
      .poll(() => told(world.blob('lab/tool', layer.digest), wants))
      .toEqual([`SHA-256=${sha256},MD5=${md5}`, `sha-256=:${sha256}:`])
    expect(await told(world.blob('lab/tool', weak.digest), {})).toEqual([`MD5=${md5}`, ''])
  })

  test('of a manifest in memory is told too, and changes nothing for who asks without', async () => {
    await using world = await createWorld()
    const { manifest } = image({ seed: 'wanted' })
    const strong = named(manifest, 'sha512')
    world.upstream.pushManifest('lab/tool', manifest, '1')
    world.upstream.pushManifest('lab/tool', strong)
    const url = world.manifest('lab/tool', manifest.digest)
    await ask(world.manifest('lab/tool', strong.digest))
    const both = `SHA-256=${base64Of(manifest.bytes, 'sha256')},SHA-512=${base64Of(manifest.bytes, 'sha512')}`
    const plain = `SHA-256=${base64Of(manifest.bytes, 'sha256')}`
    for (const wish of [undefined, 'SHA-512', undefined, 'SHA-512', undefined]) {
      const reply = await ask(url, wish === undefined ? {} : { headers: { 'want-digest': wish } })
      expect([reply.sha256, lines(reply, 'digest')]).toEqual([manifest.digest, [wish === undefined ? plain : both]])
    }
  })
})

describe('a range that is exactly one piece', () => {
  const layer = blob(9 * MiB + 123, 'pieces')
  const piece = (at: number) => layer.bytes.subarray(at * MiB, (at + 1) * MiB)
  const field = (bytes: Uint8Array) => [`sha-256=:${base64Of(bytes, 'sha256')}:`]
  const last = `bytes=${9 * MiB}-`

  async function holding(options: WorldOptions = {}) {
    const world = await createWorld(options)
    world.upstream.pushBlob('lab/tool', layer)
    const url = world.blob('lab/tool', layer.digest)
    expect((await ask(url)).sha256).toBe(layer.digest)
    await untilHeld(world.house.storePath, layer.digest)
    await expect.poll(async () => lines(await ask(url, { headers: { range: last } }), 'content-digest').length).toBe(1)
    return { ...world, url }
  }

  test('says the hash of it, and that of the whole as ever', async () => {
    await using world = await holding()
    for (const [range, bytes] of [
      [`bytes=0-${MiB - 1}`, piece(0)],
      [`bytes=${5 * MiB}-${6 * MiB - 1}`, piece(5)],
      [last, piece(9)],
      ['bytes=-123', piece(9)],
    ] as const) {
      const reply = await ask(world.url, { headers: { range } })
      expect([reply.status, reply.body.equals(bytes)]).toEqual([206, true])
      expect(lines(reply, 'content-digest')).toEqual(field(bytes))
      expect(lines(reply, 'repr-digest')).toEqual(field(layer.bytes))
    }
  })

  test.each([
    ['one byte less', `bytes=0-${MiB - 2}`],
    ['one byte more', `bytes=0-${MiB}`],
    ['beside a piece', `bytes=1-${MiB}`],
    ['two pieces', `bytes=0-${2 * MiB - 1}`],
    ['two ranges', `bytes=0-${MiB - 1},${MiB}-${2 * MiB - 1}`],
    ['nothing', undefined],
  ])('and not %s', async (_, range) => {
    await using world = await holding()
    const reply = await ask(world.url, range === undefined ? {} : { headers: { range } })
    expect([200, 206]).toContain(reply.status)
    expect(lines(reply, 'content-digest')).toEqual([])
  })

  test('says nothing of it while it is still coming in', async () => {
    await using world = await createWorld()
    world.upstream.pushBlob('lab/tool', layer)
    world.upstream.fault({ method: 'GET', path: '/blobs/' }, { stallAfter: 3 * MiB })
    const reader = await open(world.blob('lab/tool', layer.digest), { headers: { range: `bytes=0-${MiB - 1}` } })
    expect([reader.status, lines(reader, 'content-digest')]).toEqual([206, []])
    expect((await reader.rest()).body.equals(piece(0))).toBe(true)
  })

  test('asks the disk for its hash once', async () => {
    await using world = await holding()
    await rm(`${await blobPath(world.house.storePath, layer.digest)}.pieces`)
    const reply = await ask(world.url, { headers: { range: last } })
    expect(lines(reply, 'content-digest')).toEqual(field(piece(9)))
  })

  test('is served without its hash where that is lost or damaged', async () => {
    await using folder = await tempFolder()
    const house = { storePath: folder.path }
    await (await holding({ house }))[Symbol.asyncDispose]()
    const file = `${await blobPath(folder.path, layer.digest)}.pieces`
    const spoil = [() => writeFile(file, 'too few'), () => rm(file), () => mkdir(file)]
    for (const spoiled of spoil) {
      await spoiled()
      await using world = await createWorld({ house })
      const reply = await ask(world.blob('lab/tool', layer.digest), { headers: { range: last } })
      expect([reply.status, reply.body.equals(piece(9)), lines(reply, 'content-digest')]).toEqual([206, true, []])
    }
  })
})
