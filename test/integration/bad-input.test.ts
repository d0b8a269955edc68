import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, askRaw, errorCodes } from '../kit/ask.ts'
import { blob } from '../kit/blobs.ts'
import { filesBelow, until } from '../kit/disk.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createWorld, lab, type World } from '../kit/world.ts'

expectNoLeaks()

const tool = image({ seed: 'bad input', layers: [4000] })
const digest = tool.blobs[1]!.digest
const unknown = blob(10, 'never pushed').digest

let world: World
let filesBefore: readonly string[]
let asked: number
beforeAll(async () => {
  world = await createWorld()
  world.upstream.push('lab/tool', tool, 'v1')
  await ask(world.manifest('lab/tool', 'v1'))
  await ask(world.blob('lab/tool', digest))
  const blobFiles = async () => (await filesBelow(world.house.storePath)).filter((file) => file.startsWith('blobs/'))
  const isSettled = (files: readonly string[]) => files.length === 4 && !files.some((file) => file.endsWith('.tmp'))
  await until(async () => isSettled(await blobFiles()), 'manifest and layer on disk, each with its facts')
  filesBefore = await blobFiles()
  asked = world.upstream.requests.length
})
afterAll(async () => {
  const files = (await filesBelow(world.house.storePath)).filter((file) => file.startsWith('blobs/'))
  expect(files, 'what bad input left on disk').toEqual(filesBefore)
  await world[Symbol.asyncDispose]()
})

/** One request, its target sent exactly as written. */
async function get(
  target: string,
  { method = 'GET', headers = '' } = {},
): Promise<{ status: number; codes: readonly string[]; text: string }> {
  const text = await askRaw(
    world.house.host,
    `${method} ${target} HTTP/1.1\r\nHost: ${world.house.host}\r\nConnection: close\r\n${headers}\r\n`,
  )
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)
  return { status, codes: errorCodes({ body: Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1') }), text }
}

interface Row {
  readonly what: string
  readonly target: string
  readonly status: number | readonly number[]
  readonly code?: string
}

const long = 'a'.repeat(300)
const base = `/v2/${lab}/lab/tool`

const names: readonly Row[] = [
  { what: 'upper case', target: `/v2/${lab}/Lab/Tool/manifests/v1`, status: 400, code: 'NAME_INVALID' },
  { what: 'an empty part', target: `/v2/${lab}/lab//tool/manifests/v1`, status: [400, 404] },
  { what: 'a leading dash', target: `/v2/${lab}/-lab/tool/manifests/v1`, status: 400, code: 'NAME_INVALID' },
  { what: 'a trailing dot', target: `/v2/${lab}/lab./tool/manifests/v1`, status: 400, code: 'NAME_INVALID' },
  { what: 'three underscores', target: `/v2/${lab}/lab___tool/manifests/v1`, status: 400, code: 'NAME_INVALID' },
  { what: 'a space', target: `/v2/${lab}/lab%20tool/manifests/v1`, status: 400, code: 'NAME_INVALID' },
  { what: 'an encoded NUL', target: `/v2/${lab}/lab%00/tool/manifests/v1`, status: 400, code: 'NAME_INVALID' },
  { what: 'letters of another alphabet', target: `/v2/${lab}/l%C3%A4b/tool/manifests/v1`, status: 400, code: 'NAME_INVALID' },
  { what: 'bytes that are no UTF-8', target: `/v2/${lab}/%ff%fe/tool/manifests/v1`, status: 400 },
  { what: 'a percent sign and nothing', target: `/v2/${lab}/lab%/tool/manifests/v1`, status: 400 },
  { what: 'too much', target: `/v2/${lab}/${long}/manifests/v1`, status: 400, code: 'NAME_INVALID' },
  { what: 'an encoded newline', target: `/v2/${lab}/lab%0d%0aX-Evil:1/manifests/v1`, status: 400 },
  { what: 'nothing', target: `/v2/manifests/v1`, status: [400, 404] },
]

const tricks: readonly Row[] = [
  { what: 'dot segments', target: `${base}/blobs/../../../../../etc/passwd`, status: [400, 404] },
  { what: 'encoded dot segments', target: `${base}/blobs/%2e%2e/%2e%2e/%2e%2e/etc/passwd`, status: [400, 404] },
  { what: 'encoded slashes', target: `${base}/blobs/..%2f..%2f..%2fetc%2fpasswd`, status: [400, 404] },
  { what: 'doubly encoded slashes', target: `${base}/blobs/..%252f..%252fetc%252fpasswd`, status: [400, 404] },
  { what: 'backslashes', target: `${base}/blobs/..\\..\\etc\\passwd`, status: [400, 404] },
  { what: 'dot segments in the name', target: `/v2/${lab}/../../etc/manifests/passwd`, status: [400, 404] },
  { what: 'encoded dot segments in the name', target: `/v2/${lab}/%2e%2e/%2e%2e/manifests/passwd`, status: [400, 404] },
  { what: 'a digest with a path behind it', target: `${base}/blobs/${digest}/../../x`, status: [400, 404] },
  { what: 'a digest with a NUL behind it', target: `${base}/blobs/${digest}%00`, status: [400, 404] },
  { what: 'nothing but dots', target: '/../../../../etc/passwd', status: [400, 404] },
  { what: 'dots after v2', target: '/v2/../v2/_catalog/../../etc', status: [400, 404] },
]

const pointers: readonly Row[] = [
  { what: 'a digest in capitals', target: `${base}/blobs/${digest.toUpperCase()}`, status: 400, code: 'DIGEST_INVALID' },
  {
    what: 'hex in capitals',
    target: `${base}/blobs/sha256:${digest.slice(7).toUpperCase()}`,
    status: 400,
    code: 'DIGEST_INVALID',
  },
  { what: 'a short digest', target: `${base}/blobs/sha256:abcd`, status: 400, code: 'DIGEST_INVALID' },
  { what: 'a long digest', target: `${base}/blobs/${digest}00`, status: 400, code: 'DIGEST_INVALID' },
  { what: 'an unknown algorithm', target: `${base}/blobs/crc32:00000000`, status: [400, 404] },
  {
    what: 'a property of objects as algorithm',
    target: `${base}/blobs/constructor:${'0'.repeat(64)}`,
    status: 400,
    code: 'DIGEST_INVALID',
  },
  { what: 'no digest', target: `${base}/blobs/`, status: [400, 404] },
  { what: 'a tag as a blob', target: `${base}/blobs/v1`, status: 400, code: 'DIGEST_INVALID' },
  { what: 'a wrong digest as a manifest', target: `${base}/manifests/sha256:abcd`, status: 400, code: 'DIGEST_INVALID' },
  { what: 'a tag with a space', target: `${base}/manifests/v%201`, status: 400 },
  { what: 'a tag that begins with a dot', target: `${base}/manifests/.v1`, status: 400 },
  { what: 'a tag of 129 characters', target: `${base}/manifests/${'t'.repeat(129)}`, status: 400 },
  { what: 'no tag', target: `${base}/manifests/`, status: [400, 404] },
  { what: 'referrers of a tag', target: `${base}/referrers/v1`, status: 400, code: 'DIGEST_INVALID' },
  { what: 'referrers of a short digest', target: `${base}/referrers/sha256:00`, status: 400, code: 'DIGEST_INVALID' },
  { what: 'n that is no number', target: `${base}/tags/list?n=many`, status: 400 },
  { what: 'n below zero', target: `${base}/tags/list?n=-1`, status: 400 },
  { what: 'last that is no tag', target: `${base}/tags/list?last=%00%0a`, status: 400 },
  { what: 'an unknown digest', target: `${base}/blobs/${unknown}`, status: 404, code: 'BLOB_UNKNOWN' },
]

function expectRefused({ status, codes, text }: Awaited<ReturnType<typeof get>>, row: Row): void {
  expect([status].flat()).toEqual([[row.status].flat().includes(status) ? status : row.status].flat())
  expect(codes).toHaveLength(1)
  if (row.code) expect(codes).toEqual([row.code])
  expect(text).not.toContain('root:')
  expect(text).not.toContain(world.house.storePath)
  expect(text).not.toMatch(/^x-evil/im)
}

describe('a path with', () => {
  test.each([...names, ...tricks])('$what is refused: $target', async (row) => {
    expectRefused(await get(row.target), row)
    expect(world.upstream.requests.length).toBe(asked)
  })

  test.each(pointers)('$what is refused: $target', async (row) => {
    expectRefused(await get(row.target), row)
  })
})

describe('a method that writes', () => {
  const paths = [`${base}/blobs/uploads/`, `${base}/manifests/v1`, `${base}/blobs/${digest}`, '/v2/']
  test.each(['POST', 'PUT', 'PATCH', 'DELETE'])('%s is 405 UNSUPPORTED', async (method) => {
    for (const path of paths) {
      const reply = await ask(world.house.url + path, { method })
      expect([path, reply.status, errorCodes(reply)]).toEqual([path, 405, ['UNSUPPORTED']])
      expect(String(reply.headers.allow)).toContain('GET')
    }
    expect((await ask(world.manifest('lab/tool', 'v1'))).status).toBe(200)
  })

  test('with a large body is answered without reading it all', async () => {
    const reply = await ask(world.house.url + paths[0], { method: 'POST', body: 'x'.repeat(100_000) })
    expect(reply.status).toBe(405)
  })
})

describe('a Range that is', () => {
  const url = () => world.blob('lab/tool', digest)
  const size = 4000
  test.each([
    'bytes=',
    'bytes=a-b',
    'bytes=1',
    'bytes=--5',
    'bytes=5-1-9',
    'pages=1-2',
    'bytes 0-5',
    'bytes=0-99999999999999999999999',
  ])('malformed (%s) is as if it were not there', async (range) => {
    const reply = await ask(url(), { headers: { range } })
    expect([range, [200, 206].includes(reply.status), reply.body.length]).toEqual([range, true, size])
  })

  test('made of a thousand parts is not a thousand answers', async () => {
    const range = `bytes=${Array.from({ length: 1000 }, (_, at) => `${at}-${at}`).join(',')}`
    const reply = await ask(url(), { headers: { range } })
    expect([reply.status, reply.body.length]).toEqual([200, size])
  })

  test('overlapping over and over does not multiply the bytes', async () => {
    const range = `bytes=${Array.from({ length: 60 }, () => '0-').join(',')}`
    const reply = await ask(url(), { headers: { range } })
    expect(reply.body.length).toBeLessThan(4 * size)
  })
})

describe('a request that is hardly one', () => {
  test.each([
    { what: 'no HTTP at all', bytes: 'hello there\r\n\r\n' },
    { what: 'a TLS greeting', bytes: Buffer.from('16030100ff010000fb0303', 'hex') },
    { what: 'an endless header', bytes: `GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Long: ${'y'.repeat(200_000)}\r\n\r\n` },
    { what: 'two lengths', bytes: 'GET /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n' },
    {
      what: 'a length and chunks',
      bytes: 'POST /v2/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    },
    { what: 'NUL bytes in the path', bytes: 'GET /v2/\0 HTTP/1.1\r\nHost: x\r\n\r\n' },
    { what: 'no Host', bytes: 'GET /v2/ HTTP/1.1\r\n\r\n' },
    { what: 'CONNECT', bytes: 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n' },
  ])('$what is refused, and the house stands', async ({ bytes }) => {
    const answer = await askRaw(world.house.host, bytes)
    expect(answer === '' || /^HTTP\/1\.1 4\d\d/.test(answer)).toBe(true)
    expect((await ask(`${world.house.url}/v2/`)).status).toBe(200)
  })

  test('with another host in an absolute form is not forwarded anywhere', async () => {
    const { status } = await get(`http://evil.example/v2/${lab}/lab/tool/manifests/v1`)
    expect([400, 404, 421]).toContain(status)
  })

  test('with our own host in an absolute form is served', async () => {
    expect((await get(`${world.house.url}${base}/manifests/v1`)).status).toBe(200)
  })

  test('over HTTP/1.0 gets a body that ends with the connection', async () => {
    const text = await askRaw(world.house.host, `GET ${base}/manifests/v1 HTTP/1.0\r\n\r\n`)
    expect(text).toMatch(/^HTTP\/1\.1 200/)
    expect(text.endsWith(tool.manifest.bytes.toString('latin1'))).toBe(true)
  })
})
