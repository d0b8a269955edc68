import { afterEach, expect, test } from 'vitest'
import { ask, errorCodes, open } from '../../kit/ask.ts'
import { blob, KiB } from '../../kit/blobs.ts'
import { createFakeUpstream, type FakeUpstream, type FakeUpstreamOptions } from '../../kit/fake-upstream.ts'
import { artifact, image, multiPlatform } from '../../kit/images.ts'
import { expectNoLeaks } from '../../kit/leaks.ts'

expectNoLeaks()

let upstream: FakeUpstream
afterEach(() => upstream.close())

const layer = blob(300 * KiB, 'layer')

async function withLayer(options: FakeUpstreamOptions = {}): Promise<string> {
  upstream = await createFakeUpstream(options)
  upstream.pushBlob('lab/tool', layer)
  return `${upstream.url}/v2/lab/tool/blobs/${layer.digest}`
}

test('a pushed image is there under its tag, its digest and its blobs', async () => {
  upstream = await createFakeUpstream()
  const pushed = multiPlatform()
  upstream.push('lab/tool', pushed, 'v1')
  const byTag = await ask(`${upstream.url}/v2/lab/tool/manifests/v1`)
  expect(byTag.body).toEqual(pushed.manifest.bytes)
  expect(byTag.headers).toMatchObject({
    'content-type': pushed.manifest.mediaType,
    'docker-content-digest': pushed.manifest.digest,
    'content-length': String(pushed.manifest.bytes.length),
  })
  for (const child of pushed.children) {
    expect((await ask(`${upstream.url}/v2/lab/tool/manifests/${child.manifest.digest}`)).sha256).toBe(child.manifest.digest)
    for (const { digest } of child.blobs) expect((await ask(`${upstream.url}/v2/lab/tool/blobs/${digest}`)).sha256).toBe(digest)
  }
  expect(errorCodes(await ask(`${upstream.url}/v2/lab/tool/manifests/v2`))).toEqual(['MANIFEST_UNKNOWN'])
})

test('a range gets its bytes, and what was sent is counted', async () => {
  const url = await withLayer()
  const reply = await ask(url, { headers: { range: 'bytes=1000-1999' } })
  expect(reply.status).toBe(206)
  expect(reply.headers['content-range']).toBe(`bytes 1000-1999/${layer.bytes.length}`)
  expect(reply.body).toEqual(layer.bytes.subarray(1000, 2000))
  expect((await ask(url, { method: 'HEAD' })).headers['content-length']).toBe(String(layer.bytes.length))
  expect([upstream.bodies(layer.digest), upstream.bytesSent(layer.digest)]).toEqual([1, 1000])
  expect(upstream.count({ path: layer.digest })).toBe(2)
})

test('a cut comes after exactly so many bytes, and only the nth time', async () => {
  const url = await withLayer()
  const rule = upstream.fault({ path: '/blobs/', nth: 2 }, { cutAfter: 100_000 })
  expect((await ask(url)).end).toBe('clean')
  const cut = await ask(url)
  expect([cut.end, cut.body.length]).toEqual(['cut', 100_000])
  expect((await ask(url)).sha256).toBe(layer.digest)
  expect(rule.hits).toBe(1)
})

test('a flipped byte is one byte, counted in the whole blob also for a range', async () => {
  const url = await withLayer()
  upstream.fault({ path: '/blobs/' }, { flipAt: 5_000 })
  const whole = await ask(url)
  expect(whole.body.length).toBe(layer.bytes.length)
  expect(whole.body.findIndex((byte, at) => byte !== layer.bytes[at])).toBe(5_000)
  const part = await ask(url, { headers: { range: 'bytes=4999-5001' } })
  expect(part.body[0]).toBe(layer.bytes[4_999])
  expect(part.body[1]).not.toBe(layer.bytes[5_000])
})

test('where the byte is flipped may depend on where an answer begins', async () => {
  const url = await withLayer()
  upstream.fault({ path: '/blobs/' }, { flipAt: (start) => start + 3 })
  for (const start of [0, 5_000]) {
    const { body } = await ask(url, { headers: { range: `bytes=${start}-${start + 99}` } })
    expect(body.findIndex((byte, at) => byte !== layer.bytes[start + at])).toBe(3)
  }
})

test('lies about length are told as asked', async () => {
  const url = await withLayer()
  const size = layer.bytes.length
  upstream.fault({ nth: 1 }, { lengthBy: 10 })
  const long = await ask(url)
  expect([long.headers['content-length'], long.body.length, long.end]).toEqual([String(size + 10), size, 'cut'])
  upstream.heal()
  upstream.fault({ nth: 1 }, { lengthBy: -10 })
  const short = await ask(url)
  expect([short.headers['content-length'], short.body.length]).toEqual([String(size - 10), size - 10])
  upstream.heal()
  upstream.fault({}, { length: 'chunked' })
  const chunked = await ask(url)
  expect([chunked.headers['content-length'], chunked.headers['transfer-encoding']]).toEqual([undefined, 'chunked'])
  upstream.fault({}, { length: 'close' })
  const closed = await ask(url)
  expect([closed.headers['content-length'], closed.headers['transfer-encoding']]).toEqual([undefined, undefined])
  expect(closed.sha256).toBe(layer.digest)
})

test('a stall sends nothing more until the client leaves', async () => {
  const url = await withLayer()
  upstream.fault({}, { stallAfter: 1000 })
  const reply = await open(url)
  expect((await reply.atLeast(1000)).length).toBe(1000)
  reply.leave()
  await upstream.quiet()
  expect(upstream.bytesSent(layer.digest)).toBe(1000)
})

test('a gate lets through what it is told and no more', async () => {
  const url = await withLayer()
  const gate = upstream.hold({ path: '/blobs/' })
  const asked = open(url)
  await gate.arrived()
  gate.headers()
  const reply = await asked
  gate.release(150_000)
  await gate.sent(150_000)
  expect((await reply.atLeast(150_000)).length).toBe(150_000)
  gate.open()
  expect((await reply.rest()).sha256).toBe(layer.digest)
})

test('pacing takes the time it should', async () => {
  const url = await withLayer()
  upstream.fault({}, { bytesPerSecond: 1_000_000 })
  const startedAt = performance.now()
  await ask(url)
  expect(performance.now() - startedAt).toBeGreaterThan(280)
})

test('answers can be replaced, bent and stripped', async () => {
  const url = await withLayer()
  upstream.fault({ nth: 1 }, { status: 429, headers: { 'retry-after': '7' } })
  upstream.fault({ nth: 2 }, { headers: { 'docker-content-digest': undefined } })
  upstream.fault({ nth: 3 }, { ignoreRange: true })
  upstream.fault({ nth: 4 }, { contentRange: 'bytes 0-9/10' })
  upstream.fault({ nth: 5 }, { gzip: true })
  const limited = await ask(url)
  expect([limited.status, limited.headers['retry-after']]).toEqual([429, '7'])
  expect((await ask(url)).headers['docker-content-digest']).toBeUndefined()
  expect((await ask(url, { headers: { range: 'bytes=5-9' } })).status).toBe(200)
  expect((await ask(url, { headers: { range: 'bytes=5-9' } })).headers['content-range']).toBe('bytes 0-9/10')
  expect((await ask(url)).headers['content-encoding']).toBe('gzip')
})

test('a refusing upstream comes back on its port', async () => {
  const url = await withLayer()
  await upstream.refuse()
  await expect(ask(url)).rejects.toThrow('ECONNREFUSED')
  await upstream.reopen()
  expect((await ask(url)).status).toBe(200)
})

test('tags come in pages with a Link to the next', async () => {
  upstream = await createFakeUpstream({ pageSize: 2 })
  upstream.push('lab/tool', image(), 'a', 'b', 'c')
  const first = await ask(`${upstream.url}/v2/lab/tool/tags/list`)
  expect(JSON.parse(first.body.toString())).toEqual({ name: 'lab/tool', tags: ['a', 'b'] })
  const next = /<([^>]+)>/.exec(String(first.headers.link))?.[1]
  const second = await ask(upstream.url + next)
  expect(JSON.parse(second.body.toString()).tags).toEqual(['c'])
  expect(second.headers.link).toBeUndefined()
})

test('referrers are found by their subject and filtered by type', async () => {
  upstream = await createFakeUpstream()
  const subject = image()
  upstream.push('lab/tool', subject, 'v1')
  upstream.push('lab/tool', artifact({ artifactType: 'test/signature', subject }))
  upstream.push('lab/tool', artifact({ artifactType: 'test/sbom', seed: 'sbom', subject }))
  const url = `${upstream.url}/v2/lab/tool/referrers/${subject.manifest.digest}`
  expect(JSON.parse((await ask(url)).body.toString()).manifests).toHaveLength(2)
  const filtered = await ask(`${url}?artifactType=test/sbom`)
  expect(filtered.headers['oci-filters-applied']).toBe('artifactType')
  expect(JSON.parse(filtered.body.toString()).manifests).toHaveLength(1)
})
