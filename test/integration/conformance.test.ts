import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, errorCodes } from '../kit/ask.ts'
import { blob, content } from '../kit/blobs.ts'
import { artifact, image, index, multiPlatform } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createWorld, lab, type World } from '../kit/world.ts'

expectNoLeaks()

/** The pull side of the distribution specification, checked as its conformance suite does; once cold, once warm. */
const repository = 'conformance/pull'
const simple = image({ seed: 'conformance', layers: [2000, 300] })
const platforms = multiPlatform({ seed: 'conformance' })
const nested = index([platforms, simple])
const empty = content(Buffer.alloc(0))
const ranged = blob(2000, 'ranged')
const signature = artifact({ artifactType: 'application/vnd.test.signature', subject: simple, annotations: { 'org.test': '1' } })
const sbom = artifact({ artifactType: 'application/vnd.test.sbom', seed: 'sbom', subject: simple })
const tags = ['latest', 'nested', 'platforms', 'test0', 'test1', 'test2', 'test3']

let world: World
let base: string
beforeAll(async () => {
  world = await createWorld({ settings: { freshFor: '0s' } })
  base = `${world.house.url}/v2/${lab}/${repository}`
  const { upstream } = world
  upstream.push(repository, simple, 'latest', 'test0', 'test1', 'test2', 'test3')
  upstream.push(repository, platforms, 'platforms')
  upstream.push(repository, nested, 'nested')
  upstream.push(repository, signature)
  upstream.push(repository, sbom)
  upstream.pushBlob(repository, empty, ranged)
})
afterAll(() => world[Symbol.asyncDispose]())

const parse = ({ body }: { body: Buffer }) => JSON.parse(body.toString())

describe.each(['cold', 'warm'])('%s', () => {
  test('GET /v2/ answers 200', async () => {
    const reply = await ask(`${world.house.url}/v2/`)
    expect([reply.status, reply.headers['docker-distribution-api-version']]).toEqual([200, 'registry/2.0'])
    expect((await ask(`${world.house.url}/v2/`, { method: 'HEAD' })).status).toBe(200)
  })

  describe('manifests', () => {
    const pushed = [
      { name: 'image by tag', pointer: 'latest', manifest: simple.manifest },
      { name: 'index by tag', pointer: 'platforms', manifest: platforms.manifest },
      { name: 'nested index by tag', pointer: 'nested', manifest: nested.manifest },
      { name: 'image by digest', pointer: simple.manifest.digest, manifest: simple.manifest },
      { name: 'child by digest', pointer: platforms.children[1]!.manifest.digest, manifest: platforms.children[1]!.manifest },
      { name: 'artifact by digest', pointer: signature.manifest.digest, manifest: signature.manifest },
    ]
    test.each(pushed)('$name: HEAD and GET agree, and the bytes are those that were pushed', async ({ pointer, manifest }) => {
      const url = `${base}/manifests/${pointer}`
      const head = await ask(url, { method: 'HEAD', headers: { accept: manifest.mediaType } })
      const get = await ask(url, { headers: { accept: manifest.mediaType } })
      for (const reply of [head, get]) {
        expect(reply.status).toBe(200)
        expect(reply.headers).toMatchObject({
          'content-type': manifest.mediaType,
          'content-length': String(manifest.bytes.length),
          'docker-content-digest': manifest.digest,
        })
      }
      expect([head.body.length, get.sha256]).toEqual([0, manifest.digest])
    })

    test('that do not exist are 404 MANIFEST_UNKNOWN by tag and by digest, for HEAD too', async () => {
      for (const pointer of ['no-such-tag', blob(1, 'nothing').digest]) {
        const reply = await ask(`${base}/manifests/${pointer}`)
        expect([reply.status, errorCodes(reply)]).toEqual([404, ['MANIFEST_UNKNOWN']])
        expect((await ask(`${base}/manifests/${pointer}`, { method: 'HEAD' })).status).toBe(404)
      }
    })

    test('with a malformed digest are 400', async () => {
      expect((await ask(`${base}/manifests/sha256:totallywrong`)).status).toBe(400)
    })
  })

  describe('blobs', () => {
    test.each([
      { name: 'config', of: simple.blobs[0]! },
      { name: 'layer', of: simple.blobs[1]! },
      { name: 'empty blob', of: empty },
      { name: 'empty JSON', of: signature.blobs[0]! },
    ])('$name: HEAD and GET agree', async ({ of }) => {
      const head = await ask(`${base}/blobs/${of.digest}`, { method: 'HEAD' })
      const get = await ask(`${base}/blobs/${of.digest}`)
      for (const reply of [head, get]) {
        expect(reply.status).toBe(200)
        expect(reply.headers).toMatchObject({
          'content-length': String(of.bytes.length),
          'docker-content-digest': of.digest,
          'accept-ranges': 'bytes',
          etag: `"${of.digest}"`,
        })
        expect(reply.headers['content-encoding']).toBeUndefined()
      }
      expect([head.body.length, get.sha256]).toEqual([0, of.digest])
    })

    test('that do not exist are 404 BLOB_UNKNOWN', async () => {
      const reply = await ask(`${base}/blobs/${blob(1, 'nothing').digest}`)
      expect([reply.status, errorCodes(reply)]).toEqual([404, ['BLOB_UNKNOWN']])
    })

    test.each([
      { range: 'bytes=500-1499', from: 500, to: 1500 },
      { range: 'bytes=500-', from: 500, to: 2000 },
      { range: 'bytes=-500', from: 1500, to: 2000 },
      { range: 'bytes=1500-2500', from: 1500, to: 2000 },
      { range: 'bytes=0-0', from: 0, to: 1 },
    ])('range $range', async ({ range, from, to }) => {
      const reply = await ask(`${base}/blobs/${ranged.digest}`, { headers: { range } })
      expect([reply.status, reply.headers['content-range']]).toEqual([206, `bytes ${from}-${to - 1}/2000`])
      expect(reply.headers['content-length']).toBe(String(to - from))
      expect(reply.body.equals(ranged.bytes.subarray(from, to))).toBe(true)
    })

    test.each(['bytes=2000-', 'bytes=500-0'])('range %s is 416', async (range) => {
      const reply = await ask(`${base}/blobs/${ranged.digest}`, { headers: { range } })
      expect([reply.status, reply.headers['content-range']]).toEqual([416, 'bytes */2000'])
    })

    test('conditional requests with their ETag are 304', async () => {
      const url = `${base}/blobs/${ranged.digest}`
      await ask(url)
      for (const match of [`"${ranged.digest}"`, `"other", W/"${ranged.digest}"`, '*'])
        expect((await ask(url, { headers: { 'if-none-match': match } })).status).toBe(304)
      expect((await ask(url, { headers: { 'if-none-match': '"other"' } })).status).toBe(200)
    })
  })

  describe('tags', () => {
    test('are listed in order', async () => {
      const reply = await ask(`${base}/tags/list`)
      expect([reply.status, parse(reply)]).toEqual([200, { name: expect.stringContaining(repository), tags }])
    })

    test('come in pages of n, each with a Link to the next below our own path', async () => {
      const seen: string[] = []
      let url: string | undefined = `${base}/tags/list?n=3`
      let pages = 0
      while (url) {
        const reply = await ask(url)
        expect(reply.status).toBe(200)
        seen.push(...parse(reply).tags)
        const next: string | undefined = /<([^>]+)>; *rel="?next"?/.exec(String(reply.headers.link ?? ''))?.[1]
        if (next) expect(new URL(next, url).pathname).toBe(`${new URL(base).pathname}/tags/list`)
        url = next && new URL(next, url).href
        expect(++pages).toBeLessThan(10)
      }
      expect([seen, pages]).toEqual([tags, 3])
    })

    test('after last', async () => {
      expect(parse(await ask(`${base}/tags/list?last=platforms`)).tags).toEqual(['test0', 'test1', 'test2', 'test3'])
      expect(parse(await ask(`${base}/tags/list?n=1&last=test1`)).tags).toEqual(['test2'])
    })

    test('n=0 is none', async () => {
      expect(parse(await ask(`${base}/tags/list?n=0`)).tags).toEqual([])
    })

    test('of a repository that does not exist are 404 NAME_UNKNOWN', async () => {
      const reply = await ask(`${world.house.url}/v2/${lab}/no/such/tags/list`)
      expect([reply.status, errorCodes(reply)]).toEqual([404, ['NAME_UNKNOWN']])
    })
  })

  describe('referrers', () => {
    const url = () => `${base}/referrers/${simple.manifest.digest}`

    test('of a subject are an index of what refers to it', async () => {
      const reply = await ask(url())
      expect([reply.status, reply.headers['content-type']]).toEqual([200, 'application/vnd.oci.image.index.v1+json'])
      const found = parse(reply).manifests.map(({ digest, artifactType }: Record<string, string>) => [digest, artifactType])
      expect(found.sort()).toEqual(
        [
          [signature.manifest.digest, 'application/vnd.test.signature'],
          [sbom.manifest.digest, 'application/vnd.test.sbom'],
        ].sort(),
      )
    })

    test('of one type are filtered, which is said', async () => {
      const reply = await ask(`${url()}?artifactType=${encodeURIComponent('application/vnd.test.sbom')}`)
      const { manifests } = parse(reply)
      const said = reply.headers['oci-filters-applied'] === 'artifactType'
      expect([said, manifests.length]).toEqual([true, 1])
      expect(manifests[0].digest).toBe(sbom.manifest.digest)
    })

    test('of what nothing refers to are an empty index', async () => {
      const reply = await ask(`${base}/referrers/${blob(1, 'no subject').digest}`)
      expect([reply.status, parse(reply).manifests]).toEqual([200, []])
    })

    test('of a bad digest are 400', async () => {
      expect((await ask(`${base}/referrers/sha256:nope`)).status).toBe(400)
    })
  })
})

describe('registries with less', () => {
  test('no referrers: 404, so that clients use the tag scheme', async () => {
    await using poor = await createWorld({ upstream: { referrers: 'none' } })
    poor.upstream.push('lab/tool', simple, 'v1')
    const reply = await ask(`${poor.house.url}/v2/${lab}/lab/tool/referrers/${simple.manifest.digest}`)
    expect(reply.status).toBe(404)
  })

  test('referrers that come unfiltered and in pages are all reachable', async () => {
    await using paged = await createWorld({ upstream: { referrers: 'unfiltered', pageSize: 1 } })
    paged.upstream.push('lab/tool', simple, 'v1')
    paged.upstream.push('lab/tool', signature)
    paged.upstream.push('lab/tool', sbom)
    const found: string[] = []
    let url: string | undefined = `${paged.house.url}/v2/${lab}/lab/tool/referrers/${simple.manifest.digest}`
    while (url) {
      const reply = await ask(url)
      expect(reply.status).toBe(200)
      found.push(...parse(reply).manifests.map(({ digest }: { digest: string }) => digest))
      const next: string | undefined = /<([^>]+)>; *rel="?next"?/.exec(String(reply.headers.link ?? ''))?.[1]
      url = next && new URL(next, url).href
      expect(found.length).toBeLessThan(5)
    }
    expect(found.sort()).toEqual([signature.manifest.digest, sbom.manifest.digest].sort())
  })

  test.each([false, true])("tag pages by the upstream's own size, absolute links %s", async (absoluteLinks) => {
    await using paged = await createWorld({ upstream: { pageSize: 2, absoluteLinks } })
    paged.upstream.push('lab/tool', simple, 'a', 'b', 'c', 'd', 'e')
    const found: string[] = []
    let url: string | undefined = `${paged.house.url}/v2/lab/tool/tags/list?ns=${lab}`
    while (url) {
      const reply = await ask(url)
      found.push(...parse(reply).tags)
      const next: string | undefined = /<([^>]+)>; *rel="?next"?/.exec(String(reply.headers.link ?? ''))?.[1]
      if (next) expect(next).not.toContain(paged.upstream.host)
      url = next && new URL(next, url).href
      expect(found.length).toBeLessThan(10)
    }
    expect(found).toEqual(['a', 'b', 'c', 'd', 'e'])
  })
})
