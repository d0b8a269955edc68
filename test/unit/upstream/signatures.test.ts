import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { Source } from '../../../src/model/artifact.ts'
import type { UpstreamId } from '../../../src/model/reference.ts'
import { createHttp } from '../../../src/system/http.ts'
import { createPlainReader } from '../../../src/upstream/plain.ts'
import { createSignatureFinder } from '../../../src/upstream/signatures.ts'
import { faultOf } from '../../kit/bytes.ts'
import { readOpenPgpFile } from '../../kit/openpgp.ts'

const { signal } = new AbortController()
const pgp = 'application/pgp-signature'
const armored = readOpenPgpFile('signed.txt.asc')
const wanted = { digest: undefined, size: undefined }

/** A server with small files, and a finder that may dial it and nothing else inside. */
async function bench(files: Readonly<Record<string, string | Buffer | number>>, { isPlain = false, link = '' } = {}) {
  const asked: string[] = []
  const server = createServer(({ url = '', method }, response) => {
    asked.push(`${method} ${url}`)
    const found = files[url] ?? 404
    if (typeof found === 'number') return void response.writeHead(found).end('nothing')
    response.writeHead(200, { ...(link && url === '/blob' && { link: link.replaceAll('HERE', base.origin) }) }).end(found)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const base = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/blob`)
  const http = createHttp({
    origins: [base],
    allow: [],
    proxies: { no: [] },
    ca: [],
    connectTimeoutMs: 30_000,
    headersTimeoutMs: 30_000,
    idleTimeoutMs: 30_000,
    userAgent: 'test/1',
  })
  const source: Source = { url: base, via: 'lab.example' as UpstreamId, priority: 1, place: 'mirror' }
  const find = createSignatureFinder({ http, read: createPlainReader(http).read, isPlain: () => isPlain })
  return {
    asked,
    source,
    find,
    links: (...urls: string[]) => ({
      duplicates: [],
      describedBy: urls.map((url) => ({ url: new URL(url, base).href, mediaType: pgp })),
    }),
    async [Symbol.asyncDispose]() {
      await http.close()
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

const textsOf = (found: readonly { bytes: Uint8Array }[]) => found.map(({ bytes }) => Buffer.from(bytes).toString())

describe('a signature that is pointed to', () => {
  test('is fetched, two at most', async () => {
    await using its = await bench({ '/1': 'one', '/2': 'two', '/3': 'three' })
    expect(textsOf(await its.find.linked(its.links('/1', '/2', '/3'), signal))).toEqual(['one', 'two'])
  })

  test('is none where nothing is found, or more than any signature has', async () => {
    await using its = await bench({ '/long': 'x'.repeat(64 * 1024 + 1) })
    expect(await its.find.linked(its.links('/none', '/long'), signal)).toEqual([])
  })

  test('at a place that fails is a fault, as it may be there', async () => {
    await using its = await bench({ '/1': 503 })
    expect(await faultOf(its.find.linked(its.links('/1'), signal))).toBe('upstream-status')
  })

  test('at a place that may not be dialled is not fetched', async () => {
    await using its = await bench({})
    expect(await its.find.linked(its.links('http://127.0.0.1:1/x', 'http://far.example/x'), signal)).toEqual([])
    expect(its.asked).toEqual([])
  })

  test('is found by asking for the first byte of what it signs', async () => {
    await using its = await bench({ '/blob': 'abc', '/sig': armored }, { link: `<HERE/sig>; rel=describedby; type="${pgp}"` })
    expect(textsOf(await its.find.at(its.source, wanted, signal))).toEqual([armored])
    expect(its.asked).toEqual(['GET /blob', 'GET /sig'])
  })
})

describe('a signature beside a plain file', () => {
  test.each([
    ['.asc', { '/blob.asc': armored }, [armored]],
    ['.sig, where there is no .asc', { '/blob.sig': armored }, [armored]],
    ['.sig, where a page answers for .asc', { '/blob.asc': '<html>', '/blob.sig': armored }, [armored]],
    ['none', {}, []],
  ])('%s', async (_, files, found) => {
    await using its = await bench(files as Record<string, string>, { isPlain: true })
    expect(textsOf(await its.find.beside(its.source, signal))).toEqual(found)
  })

  test('not armored is told from a page by its first byte', async () => {
    const packet = Buffer.from([0x89, 1, 2, 3])
    await using its = await bench({ '/blob.sig': packet }, { isPlain: true })
    expect((await its.find.beside(its.source, signal)).map(({ bytes }) => [...bytes])).toEqual([[0x89, 1, 2, 3]])
  })

  test('is not looked for where files are not plain ones', async () => {
    await using its = await bench({ '/blob': 'abc', '/blob.asc': armored })
    expect(await its.find.at(its.source, wanted, signal)).toEqual([])
    expect(its.asked).toEqual(['GET /blob'])
  })
})
