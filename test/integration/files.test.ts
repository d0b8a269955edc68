import { describe, expect, test } from 'vitest'
import { ask, askRaw } from '../kit/ask.ts'
import { blob, content, digestOfBytes, MiB } from '../kit/blobs.ts'
import { blobsOn } from '../kit/disk.ts'
import { createFilesWorld, type FilesWorld, type FilesWorldOptions } from '../kit/files-world.ts'
import { createHurriedClock } from '../kit/hurried-clock.ts'
import { expectNoLeaks } from '../kit/leaks.ts'

expectNoLeaks()

const tool = blob(3000, 'tool')
const large = blob(3 * MiB, 'large')
const other = blob(3000, 'other')
const date = 'Sat, 01 Nov 2025 10:00:00 GMT'
const plain = { checksums: false }

async function withTool({ settings, ...options }: FilesWorldOptions = {}): Promise<FilesWorld> {
  const world = await createFilesWorld({ ...options, settings: { ...plain, ...(settings as object) } })
  world.files.put('a/tool.sif', tool.bytes, { etag: '"v1"' })
  return world
}

describe('a plain file', () => {
  test('is served as its own server has it, and fetched once', async () => {
    await using world = await withTool()
    for (const status of ['forebay; fwd=miss', 'forebay; hit']) {
      const reply = await ask(world.url('a/tool.sif'))
      expect(reply).toMatchObject({ status: 200, sha256: tool.digest, end: 'clean' })
      expect(reply.headers).toMatchObject({
        'content-type': 'application/x-sif',
        'content-length': '3000',
        'accept-ranges': 'bytes',
        etag: '"v1"',
        'last-modified': date,
        'cache-control': 'no-cache',
        'cache-status': status,
        'x-content-type-options': 'nosniff',
      })
      await world.settled()
    }
    expect(world.files.asked()).toEqual(['HEAD a/tool.sif', 'GET a/tool.sif'])
  })

  test('costs one HEAD where only that is asked, and tells a digest once the bytes are here', async () => {
    await using world = await withTool()
    const cold = await ask(world.url('a/tool.sif'), { method: 'HEAD' })
    expect([cold.status, cold.headers['content-length'], cold.headers.digest, cold.headers.link]).toEqual([
      200,
      '3000',
      undefined,
      undefined,
    ])
    expect(world.files.asked()).toEqual(['HEAD a/tool.sif'])
    await ask(world.url('a/tool.sif'))
    await world.settled()
    const warm = await ask(world.url('a/tool.sif'), { method: 'HEAD' })
    const base64 = Buffer.from(tool.digest.slice(7), 'hex').toString('base64')
    expect([warm.headers.digest, warm.headers['repr-digest']]).toEqual([`SHA-256=${base64}`, `sha-256=:${base64}:`])
    expect(warm.headers.link).toContain(`<${world.url('a/tool.sif')}.meta4>; rel=describedby`)
    expect(warm.headers.etag).toBe('"v1"')
  })

  test.each([
    ['by ETag', { 'if-none-match': '"v1"' }, 304],
    ['by one of several ETags', { 'if-none-match': '"x", W/"v1"' }, 304],
    ['by any', { 'if-none-match': '*' }, 304],
    ['by another ETag', { 'if-none-match': '"v2"' }, 200],
    ['by date', { 'if-modified-since': date }, 304],
    ['by an older date', { 'if-modified-since': 'Fri, 31 Oct 2025 10:00:00 GMT' }, 200],
    ['by a date beside another ETag', { 'if-none-match': '"v2"', 'if-modified-since': date }, 200],
    ['by what must be there', { 'if-match': '"v2"' }, 412],
  ])('is asked for on condition: %s', async (_, headers, status) => {
    await using world = await withTool()
    const reply = await ask(world.url('a/tool.sif'), { headers })
    expect(reply.status).toBe(status)
    if (status === 304) expect([reply.body.length, reply.headers.etag, reply.headers['last-modified']]).toEqual([0, '"v1"', date])
    if (status !== 200) expect(world.files.asked()).toEqual(['HEAD a/tool.sif'])
  })

  test.each([
    ['bytes=0-9', 206, 'bytes 0-9/3000', [0, 10]],
    ['bytes=2990-', 206, 'bytes 2990-2999/3000', [2990, 3000]],
    ['bytes=-10', 206, 'bytes 2990-2999/3000', [2990, 3000]],
    ['bytes=3000-', 416, 'bytes */3000', undefined],
  ])('is given in part: %s', async (range, status, contentRange, part) => {
    await using world = await withTool()
    for (let time = 0; time < 2; time++) {
      const reply = await ask(world.url('a/tool.sif'), { headers: { range } })
      expect([reply.status, reply.headers['content-range']]).toEqual([status, contentRange])
      if (part) expect(reply.body.equals(tool.bytes.subarray(part[0], part[1]))).toBe(true)
    }
    expect(world.files.bodiesOf('a/tool.sif')).toBe(1)
  })

  test('goes on for a client that has a part of it, by ETag and by date, and begins anew for one with another version', async () => {
    await using world = await withTool()
    await ask(world.url('a/tool.sif'))
    for (const [validator, status] of [
      ['"v1"', 206],
      [date, 206],
      ['"v0"', 200],
      ['Fri, 31 Oct 2025 10:00:00 GMT', 200],
    ] as const) {
      const headers = { range: 'bytes=1000-', 'if-range': validator }
      expect((await ask(world.url('a/tool.sif'), { headers })).status).toBe(status)
    }
  })

  test('is confirmed by its ETag or date once it is due, and fetched anew only when it has changed', async () => {
    await using world = await withTool({ settings: { freshFor: '0s' } })
    await ask(world.url('a/tool.sif'))
    await world.settled()
    expect((await ask(world.url('a/tool.sif'))).headers['cache-status']).toBe('forebay; fwd=stale; fwd-status=304')
    expect(world.files.requests.at(-1)?.headers['if-none-match']).toBe('"v1"')
    world.files.put('a/tool.sif', other.bytes, { etag: undefined })
    expect((await ask(world.url('a/tool.sif'))).sha256).toBe(other.digest)
    await world.settled()
    expect((await ask(world.url('a/tool.sif'))).sha256).toBe(other.digest)
    expect(world.files.requests.at(-1)?.headers['if-modified-since']).toBe(date)
    expect(world.files.bodiesOf('a/tool.sif')).toBe(2)
  })

  test('that nothing tells versions of is fetched each time it is due', async () => {
    await using world = await withTool({ settings: { freshFor: '0s' } })
    world.files.put('bare.bin', tool.bytes, { etag: undefined, lastModified: undefined })
    expect((await ask(world.url('bare.bin'))).sha256).toBe(tool.digest)
    world.files.put('bare.bin', other.bytes, { etag: undefined, lastModified: undefined })
    expect((await ask(world.url('bare.bin'))).sha256).toBe(other.digest)
  })

  test('with a weak ETag keeps it for clients that ask whether it changed', async () => {
    await using world = await withTool()
    world.files.put('weak.bin', tool.bytes, { etag: 'W/"1"' })
    expect((await ask(world.url('weak.bin'))).headers.etag).toBe('W/"1"')
    expect((await ask(world.url('weak.bin'), { headers: { 'if-none-match': 'W/"1"' } })).status).toBe(304)
    expect((await ask(world.url('weak.bin'), { headers: { range: 'bytes=0-9', 'if-range': 'W/"1"' } })).status).toBe(200)
  })

  test('of no bytes is a file too', async () => {
    await using world = await withTool()
    world.files.put('empty', '')
    for (let time = 0; time < 2; time++)
      expect(await ask(world.url('empty'))).toMatchObject({ status: 200, body: Buffer.alloc(0), end: 'clean' })
  })

  test('that a digest field of its server vouches for is known by that, and refused where the field lies', async () => {
    await using world = await withTool()
    const field = (bytes: Buffer) => ({
      headers: { 'repr-digest': `sha-256=:${Buffer.from(digestOfBytes(bytes).slice(7), 'hex').toString('base64')}:` },
    })
    world.files.put('right.bin', tool.bytes, field(tool.bytes))
    world.files.put('wrong.bin', tool.bytes, field(other.bytes))
    expect((await ask(world.url('right.bin'), { method: 'HEAD' })).headers.digest).toMatch(/^SHA-256=/)
    expect((await ask(world.url('right.bin'))).sha256).toBe(tool.digest)
    expect((await ask(world.url('wrong.bin'))).status).toBe(502)
  })
})

describe('a server that', () => {
  test.each([403, 405, 501])('answers HEAD with %i is asked for the first byte', async (status) => {
    await using world = await withTool()
    world.files.fault({ method: 'HEAD' }, { status })
    const head = await ask(world.url('a/tool.sif'), { method: 'HEAD' })
    expect([head.status, head.headers['content-length'], head.headers.etag]).toEqual([200, '3000', '"v1"'])
    expect(world.files.requests.at(-1)?.headers.range).toBe('bytes=0-0')
    expect(await ask(world.url('a/tool.sif'))).toMatchObject({ status: 200, sha256: tool.digest })
    world.files.put('empty', '')
    expect(await ask(world.url('empty'))).toMatchObject({ status: 200, body: Buffer.alloc(0) })
  })

  test('knows neither HEAD nor ranges is asked all the same', async () => {
    await using world = await withTool()
    world.files.fault({}, { ignoreRange: true })
    world.files.fault({ method: 'HEAD' }, { status: 405 })
    expect(await ask(world.url('a/tool.sif'))).toMatchObject({ status: 200, sha256: tool.digest })
    expect((await ask(world.url('a/tool.sif'), { headers: { range: 'bytes=0-9' } })).status).toBe(206)
  })

  test('answers no condition with 304 is believed when its fields are the same', async () => {
    await using world = await withTool({ settings: { freshFor: '0s' } })
    world.files.put('x.bin', tool.bytes, { etag: '"1"', hasConditions: false })
    for (let time = 0; time < 3; time++) {
      expect((await ask(world.url('x.bin'))).sha256).toBe(tool.digest)
      await world.settled()
    }
    expect(world.files.bodiesOf('x.bin')).toBe(1)
  })

  test.each(['chunked', 'close'] as const)('says no length (%s) gives whole files', async (length) => {
    await using world = await withTool()
    world.files.put('large.bin', large.bytes)
    world.files.fault({}, { length })
    for (const [path, { digest }] of [
      ['a/tool.sif', tool],
      ['large.bin', large],
    ] as const) {
      expect(await ask(world.url(path))).toMatchObject({ status: 200, sha256: digest, end: 'clean' })
      await world.settled()
      expect((await ask(world.url(path))).headers['content-length']).toBeDefined()
    }
  })

  test('codes what it was told not to is refused', async () => {
    await using world = await withTool()
    const coded = world.files.fault({ method: 'GET' }, { gzip: true })
    const reply = await ask(world.url('a/tool.sif'))
    expect([reply.status, reply.body.toString()]).toEqual([502, expect.stringContaining('encoded as gzip')])
    expect(world.files.requests.map(({ headers }) => headers['accept-encoding'])).toEqual(
      Array(world.files.requests.length).fill('identity'),
    )
    coded.remove()
    expect((await ask(world.url('a/tool.sif'))).sha256).toBe(tool.digest)
  })

  test('sends elsewhere is followed, without credentials', async () => {
    const env = { LOGIN: 'hush' }
    const settings = { ...plain, credentials: { token: { env: 'LOGIN' } } }
    await using world = await createFilesWorld({ settings, house: { env } })
    world.files.put('tool.sif', tool.bytes)
    world.files.fault(
      { on: 'registry', path: 'moved.sif' },
      { status: 302, headers: { location: `${world.files.copy}/tool.sif` } },
    )
    expect(await ask(world.url('moved.sif'))).toMatchObject({ status: 200, sha256: tool.digest })
    expect(world.files.asked('cdn')).toEqual(['HEAD tool.sif', 'GET tool.sif'])
    const sawLogin = world.files.requests.map(({ on, headers }) => [on, headers.authorization])
    expect(new Set(sawLogin.map(String))).toEqual(new Set(['registry,Bearer hush', 'cdn,']))
  })

  test.each([
    [404, 404, 'a/tool.sif was not found'],
    [410, 404, 'a/tool.sif was not found'],
    [401, 403, 'refused access (401)'],
    [403, 403, 'refused access (403)'],
    [429, 429, 'too many requests'],
    [500, 502, 'answered 500'],
    [503, 502, 'answered 503'],
  ])('answers %i makes us answer %i, and say why', async (status, own, why) => {
    await using world = await withTool({ clock: createHurriedClock(20) })
    world.files.fault({}, { status, headers: { 'retry-after': '7' } })
    const reply = await ask(world.url('a/tool.sif'))
    expect([reply.status, reply.headers['content-type']]).toEqual([own, 'text/plain; charset=utf-8'])
    expect(reply.body.toString()).toContain(why)
    if (own === 429) expect(reply.headers['retry-after']).toBe('7')
    const head = await ask(world.url('a/tool.sif'), { method: 'HEAD' })
    expect([head.status, head.body.length]).toEqual([own, 0])
    expect(await blobsOn(world.house.storePath)).toEqual([])
  })

  test('is down, or has lost it: what is known is served, and said to be stale', async () => {
    await using world = await withTool({
      settings: { freshFor: '0s' },
      clock: createHurriedClock(20),
      house: { more: { catalog: { answerDeadline: '40s', negativeFor: '0s' } } },
    })
    await ask(world.url('a/tool.sif'))
    await world.settled()
    world.files.fault({}, { status: 503 })
    for (const method of ['GET', 'HEAD']) {
      const reply = await ask(world.url('a/tool.sif'), { method })
      expect([reply.status, reply.headers['cache-status'], reply.headers.etag]).toEqual([200, 'forebay; fwd=stale', '"v1"'])
      expect(reply.headers.warning).toContain('503')
      if (method === 'GET') expect(reply.sha256).toBe(tool.digest)
    }
    await world.files.refuse()
    expect((await ask(world.url('a/tool.sif'))).sha256).toBe(tool.digest)
    await world.files.reopen()
    world.files.heal()
    world.files.remove('a/tool.sif')
    await expect.poll(async () => (await ask(world.url('a/tool.sif'))).status, { timeout: 20_000 }).toBe(404)
  })
})

describe('a path', () => {
  test.each([
    ['a%20b/tool.sif', 'a%20b/tool.sif'],
    ['%C3%BC/tool.sif', '%C3%BC/tool.sif'],
    ['a%2bb/tool.sif', 'a%2Bb/tool.sif'],
    ['%61/tool.sif', 'a/tool.sif'],
    ['a/%2574ool.sif', 'a/%2574ool.sif'],
    [`${'deep/'.repeat(200)}tool.sif`, `${'deep/'.repeat(200)}tool.sif`],
  ])('is asked for as it means: %s', async (path, asked) => {
    await using world = await createFilesWorld({ settings: plain })
    world.files.put(asked, tool.bytes)
    expect(await ask(world.url(path))).toMatchObject({ status: 200, sha256: tool.digest })
    expect(new Set(world.files.requests.map((one) => one.path))).toEqual(new Set([`/pub/${asked}`]))
  })

  test.each([
    '../secret',
    'a/../../secret',
    '%2e%2e/secret',
    'a/%2e%2e/%2e%2e/secret',
    '..%2fsecret',
    '..%5csecret',
    './x',
    'a//x',
    'a%00b',
    'a%0d%0ax',
    '%ff',
    '%',
    'x'.repeat(2100),
  ])('that leads elsewhere or nowhere is refused, and nobody is asked: %s', async (path) => {
    await using world = await createFilesWorld({ settings: plain })
    const answer = await askRaw(world.house.host, `GET /files/data/${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(world.files.requests).toEqual([])
  })

  test('with a query is another file, and refused', async () => {
    await using world = await withTool()
    const reply = await ask(`${world.url('a/tool.sif')}?version=2`)
    expect([reply.status, reply.body.toString()]).toEqual([400, expect.stringContaining('a query after /files/data/a/tool.sif')])
    expect(world.files.requests).toEqual([])
  })

  test('of an upstream that is none, or is no tree of files, is not found', async () => {
    await using world = await withTool({ house: { upstreams: { hub: { url: 'http://127.0.0.1:1' } } } })
    for (const name of ['nowhere', 'hub']) {
      const reply = await ask(`${world.house.url}/files/${name}/x`)
      expect([reply.status, reply.body.toString()]).toEqual([404, expect.stringContaining(`no upstream named "${name}"`)])
    }
    expect((await ask(`${world.house.url}/files/data`)).status).toBe(400)
    expect((await ask(world.url('a/tool.sif'), { method: 'PUT', body: 'x' })).status).toBe(405)
  })
})

describe('a folder', () => {
  const page = content(Buffer.from('<html><a href="x">x</a></html>'))

  test('is refused, also where its server would have led there', async () => {
    await using world = await withTool()
    world.files.put('d/', page.bytes, { mediaType: 'text/html' })
    world.files.fault({ path: /\/d$/ }, { status: 301, headers: { location: `${world.files.base}/d/` } })
    for (const path of ['', 'd/', 'd']) {
      const reply = await ask(world.url(path))
      expect([reply.status, reply.body.toString()]).toEqual([403, expect.stringContaining('folders: refuse')])
    }
    expect(world.files.asked()).toEqual(['HEAD d', 'HEAD d/'])
  })

  test('is passed on where the settings say so', async () => {
    await using world = await withTool({ settings: { folders: 'pass' } })
    world.files.put('d/', page.bytes, { mediaType: 'text/html' })
    world.files.put('', page.bytes, { mediaType: 'text/html' })
    for (const path of ['', 'd/'])
      expect(await ask(world.url(path))).toMatchObject({
        status: 200,
        sha256: page.digest,
        headers: { 'content-type': 'text/html' },
      })
    await world.settled()
    await world.restart()
    expect(await ask(world.url('d/'))).toMatchObject({ status: 200, sha256: page.digest })
  })
})

describe('the metalink of a file', () => {
  const type = 'application/metalink4+xml'

  test('is given by suffix, or to who asks for nothing else, once a hash is known', async () => {
    await using world = await withTool()
    const url = world.url('a/tool.sif')
    expect((await ask(`${url}.meta4`)).status).toBe(404)
    await ask(url)
    await world.settled()
    const bySuffix = await ask(`${url}.meta4`)
    const byAccept = await ask(url, { headers: { accept: type } })
    for (const reply of [bySuffix, byAccept]) {
      expect([reply.status, reply.headers['content-type']]).toEqual([200, type])
      expect(reply.body.toString()).toContain(tool.digest.slice(7))
    }
    expect(byAccept.body).toEqual(bySuffix.body)
    const both = await ask(url, { headers: { accept: `${type}, */*` } })
    expect([both.sha256, both.headers.vary]).toEqual([tool.digest, 'Accept'])
  })

  test('that the upstream has itself is a file of that name', async () => {
    await using world = await withTool()
    world.files.put('a/tool.sif.meta4', 'its own')
    expect((await ask(`${world.url('a/tool.sif')}.meta4`)).body.toString()).toBe('its own')
  })
})

test('fifty readers of a cold file that nobody vouches for are one body', async () => {
  await using world = await createFilesWorld({ settings: plain })
  world.files.put('large.bin', large.bytes)
  const gate = world.files.hold({ method: 'GET' })
  const replies = Array.from({ length: 50 }, () => ask(world.url('large.bin')))
  await gate.arrived()
  await world.house.requestsOpen(50)
  gate.open()
  for (const reply of await Promise.all(replies)) expect(reply).toMatchObject({ status: 200, sha256: large.digest, end: 'clean' })
  expect(world.files.asked()).toEqual(['HEAD large.bin', 'GET large.bin'])
})
