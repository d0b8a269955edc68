import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { printMetalink4 } from '../../src/formats/metalink4.ts'
import { systemClock } from '../../src/system/clock.ts'
import { ask, type Reply } from '../kit/ask.ts'
import { content, digestOfBytes } from '../kit/blobs.ts'
import { until, wrongBlobsOn } from '../kit/disk.ts'
import { createEveryKind, type EveryKind } from '../kit/every-kind.ts'
import { createFakeUpstream, type FakeUpstream } from '../kit/fake-upstream.ts'
import { anyText, bytesOfText, fuzzing, fuzzPatience, fuzzRuns, spoiltJson } from '../kit/fuzz.ts'
import { type House, startHouse } from '../kit/house.ts'
import { image, index } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { sampleDocument, somePieces } from '../kit/metalink-documents.ts'
import { buildSif } from '../kit/sif.ts'
import type { Fault, Where } from '../kit/upstream/rules.ts'

expectNoLeaks()

const sif = buildSif({ arch: 'amd64', partitions: [{ bytes: Buffer.alloc(3000, 7), role: 2 }] })
const sha256 = digestOfBytes(sif)
const tool = image({ seed: 'hostile upstreams', layers: [3000] })

let pulls = 0
afterAll(() => expect(pulls, 'pulls in all').toBeGreaterThanOrEqual(fuzzRuns(2_000)))

let kinds: EveryKind
let guarded: FakeUpstream
let house: House
let later = 0
beforeAll(async () => {
  kinds = await createEveryKind()
  guarded = await createFakeUpstream({ auth: { kind: 'bearer' } })
  const { settings } = kinds
  const nowhere = 'http://127.0.0.1:1' // documents name places all over the world
  house = await startHouse(
    {
      ...settings,
      upstreams: {
        ...settings.upstreams,
        data: { ...settings.upstreams.data!, metalink: true, checksums: true },
        'guarded.example': { url: guarded.url },
      },
      outbound: { ...settings.outbound, httpProxy: nowhere, httpsProxy: nowhere, noProxy: ['127.0.0.1'] },
    },
    // What an upstream did wrong is soon forgotten, and a pause is none; what is longer is patience, which a busy machine needs.
    { now: () => systemClock.now() + later, sleep: (ms, signal) => systemClock.sleep(ms < 10_000 ? ms / 1000 : ms, signal) },
  )
  kinds.shub.push('lab/sound:v1', sif, { place: 'plain', path: '/bucket/x.sif' })
  kinds.pages.put('/artifacts/x.sif', sif)
})
afterAll(async () => {
  await kinds[Symbol.asyncDispose]() // first, so that no fill makes stopping wait
  await guarded.close()
  await house.stop()
})

/** A document that an upstream gives, and what is pulled with it. */
interface Hostile {
  readonly what: string
  readonly from: () => { fault(where: Where, what: Fault): { remove(): void }; readonly requests: readonly unknown[] }
  readonly seeds: () => readonly string[]
  readonly isJson: boolean
  readonly runs: number
  readonly headers?: Readonly<Record<string, string>>
  /** Where the upstream gives it. `at`: a number of its own for each. */
  readonly given: (at: number) => Where
  /** What else is given with it. */
  readonly besides?: (at: number) => readonly (readonly [Where, Fault])[]
  /** What is asked for, one after the other. */
  readonly asked: (at: number) => readonly string[]
  /** What is wrong with an answer of 200, to which of the questions. */
  readonly right?: number // status of the last answer, where all is right; 200 unless said
  readonly mistake: (reply: Reply, bytes: Buffer, which: number) => string | undefined
}

const json = (value: unknown) => JSON.stringify(value)
const isJson = ({ body }: Reply): string | undefined =>
  typeof JSON.parse(body.toString()) === 'object' ? undefined : 'no document'
const isImage = ({ body, end }: Reply): string | undefined => (end === 'cut' || body.equals(sif) ? undefined : 'other bytes')
const isTold = ({ headers, sha256 }: Reply, bytes: Buffer): string | undefined =>
  headers['docker-content-digest'] !== sha256 || sha256 !== digestOfBytes(bytes) ? 'another digest' : undefined
const whole = (path: string): readonly [Where, Fault] => [{ path }, { status: 200, body: sif, headers: { etag: '"one"' } }]

const manifests = () => [tool.manifest.bytes.toString(), index([tool]).manifest.bytes.toString()]
const named = Array.from({ length: 50 }, (_, at) =>
  content(Buffer.from(`${tool.manifest.bytes} ${' '.repeat(at)}`), tool.manifest.mediaType),
)

const hostile: readonly Hostile[] = [
  {
    what: 'a manifest of a tag',
    from: () => kinds.registry,
    seeds: manifests,
    isJson: true,
    runs: 350,
    headers: { 'content-type': tool.manifest.mediaType },
    given: (at) => ({ path: `/manifests/f${at}` }),
    asked: (at) => [`/v2/lab.example/lab/tool/manifests/f${at}`],
    mistake: isTold,
  },
  {
    what: 'a manifest of a tag, of any type',
    from: () => kinds.registry,
    seeds: manifests,
    isJson: true,
    runs: 150,
    headers: { 'content-type': 'text/plain' },
    given: (at) => ({ path: `/manifests/g${at}` }),
    asked: (at) => [`/v2/lab.example/lab/tool/manifests/g${at}`],
    mistake: isTold,
  },
  {
    what: 'a manifest under the digest of another',
    from: () => kinds.registry,
    seeds: manifests,
    isJson: true,
    runs: 100,
    headers: { 'content-type': tool.manifest.mediaType, 'docker-content-digest': sha256 },
    given: (at) => ({ path: `/manifests/h${at}` }),
    asked: (at) => [`/v2/lab.example/lab/tool/manifests/h${at}`],
    right: 502,
    mistake: () => 'it was taken',
  },
  {
    what: 'a manifest of a digest',
    from: () => kinds.registry,
    seeds: manifests,
    isJson: true,
    runs: 200,
    headers: { 'content-type': tool.manifest.mediaType },
    given: (at) => ({ path: `/d${at}/manifests/${named[at % named.length]!.digest}` }),
    asked: (at) => [`/v2/lab.example/lab/d${at}/manifests/${named[at % named.length]!.digest}`],
    right: 502, // it is that of another
    mistake: ({ sha256 }) => (named.some(({ digest }) => digest === sha256) ? undefined : 'other bytes'),
  },
  {
    what: 'a list of tags',
    from: () => kinds.registry,
    seeds: () => [json({ name: 'lab/tool', tags: ['v1', 'v2', 'latest'] })],
    isJson: true,
    runs: 150,
    headers: { link: '</v2/x/tags/list?n=5&last=%00>; rel="next", <<>;;; rel=next' },
    given: (at) => ({ path: `/t${at}/tags/list` }),
    asked: (at) => [`/v2/lab.example/lab/t${at}/tags/list?n=2`],
    mistake: isJson,
  },
  {
    what: 'a list of referrers',
    from: () => kinds.registry,
    seeds: () => [
      json({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.index.v1+json',
        manifests: [{ digest: sha256, size: 5, mediaType: 'a/b' }],
      }),
    ],
    isJson: true,
    runs: 150,
    headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
    given: (at) => ({ path: `/r${at}/referrers/` }),
    asked: (at) => [`/v2/lab.example/lab/r${at}/referrers/${sha256}?artifactType=a/b`],
    mistake: isJson,
  },
  {
    what: 'a token',
    from: () => guarded,
    seeds: () => [json({ token: 'abc', access_token: 'abc', expires_in: 300, issued_at: '2024-05-01T10:00:00Z' })],
    isJson: true,
    runs: 150,
    given: () => ({ on: 'realm' }),
    asked: (at) => [`/v2/guarded.example/lab/k${at}/manifests/v1`],
    mistake: () => 'it was let in',
    right: 403, // the registry knows of no such token
  },
  {
    what: 'an image of a library',
    from: () => kinds.library,
    seeds: () => [
      json({
        data: {
          id: '1',
          hash: sha256.replace(':', '.'),
          size: sif.length,
          arch: 'amd64',
          uploaded: true,
          tags: ['v1'],
          description: 'x',
        },
      }),
    ],
    isJson: true,
    runs: 200,
    given: (at) => ({ path: `/v1/images/e/c/i${at}:v1` }),
    besides: (at) => [whole(`/v1/imagefile/e/c/i${at}:v1`)],
    asked: (at) => [`/library/lab/v1/images/e/c/i${at}:v1`, `/library/lab/v1/imagefile/e/c/i${at}:v1`],
    mistake: (reply, _bytes, which) => (which === 0 ? isJson(reply) : isImage(reply)),
  },
  {
    what: 'a search of a library',
    from: () => kinds.library,
    seeds: () => [
      json({
        data: {
          entity: [{ id: '1', name: 'e' }],
          collection: null,
          container: [{ id: '2', imageTags: { a: '1' } }],
          image: [{ id: '3', hash: sha256 }],
        },
      }),
    ],
    isJson: true,
    runs: 100,
    given: () => ({ path: '/v1/search' }),
    asked: (at) => [`/library/lab/v1/search?value=tool${at}`],
    mistake: isJson,
  },
  {
    what: 'a manifest of a shub registry',
    from: () => kinds.shub,
    seeds: () => [
      json({
        id: 5,
        image: `${kinds.shub.files.url}/bucket/x.sif`,
        collection: 'lab',
        name: 'x',
        tag: 'v1',
        version: digestOfBytes(sif, 'md5').slice(4),
        frozen: true,
        add_date: '2018-03-04T12:00:00Z',
      }),
    ],
    isJson: true,
    runs: 150,
    given: (at) => ({ path: `/api/container/lab/s${at}` }),
    asked: (at) => [`/shub/hub/api/container/lab/s${at}:v1`, `/shub/hub/image/lab/s${at}:v1`],
    mistake: (reply, _bytes, which) => (which === 0 ? isJson(reply) : isImage(reply)),
  },
  {
    what: 'the collections of a shub registry',
    from: () => kinds.shub,
    seeds: () => [
      json({
        count: 1,
        next: null,
        previous: null,
        results: [
          { id: 1, name: 'lab', add_date: '2018-03-04T12:00:00Z', containers: [{ name: 'n', tag: 't', uri: 'lab/n:t' }] },
        ],
      }),
    ],
    isJson: true,
    runs: 100,
    given: () => ({ path: '/api/collections' }),
    asked: () => ['/shub/hub/api/collections/'],
    mistake: isJson,
  },
  {
    what: 'a manifest of static pages',
    from: () => kinds.pages,
    seeds: () => {
      const one = { size: 3, digest: digestOfBytes(sif, 'md5') }
      return [json({ schemaVersion: 2, config: one, layers: [{ ...one, urls: [`${kinds.pages.files.url}/artifacts/x.sif`] }] })]
    },
    isJson: true,
    runs: 150,
    given: (at) => ({ path: `/p${at}/manifests/v1` }),
    asked: (at) => [`/static/storage/lab/p${at}/manifests/v1`, `/static/storage/lab/p${at}/blobs/v1`],
    mistake: (reply, _bytes, which) => (which === 0 ? isJson(reply) : isImage(reply)),
  },
  {
    what: 'a metalink beside a file',
    from: () => kinds.files,
    seeds: () => [
      printMetalink4(
        sampleDocument({
          name: 'x.sif',
          size: sif.length,
          digests: [sha256],
          pieces: somePieces(sif.length, 10_000),
          urls: [{ url: `${kinds.files.copy}/x.sif`, priority: 1 }],
        }),
      ),
    ],
    isJson: false,
    runs: 110,
    headers: { 'content-type': 'application/metalink4+xml' },
    given: (at) => ({ path: `/m${at}/x.sif.meta4` }),
    besides: (at) => [whole(`/m${at}/x.sif`)],
    asked: (at) => [`/files/data/m${at}/x.sif`],
    mistake: isImage,
  },
  {
    what: 'checksums beside a file',
    from: () => kinds.files,
    seeds: () => [
      `${sha256.slice(7)}  x.sif\n${'0'.repeat(64)} *y.sif\n`,
      `SHA512 (x.sif) = ${digestOfBytes(sif, 'sha512').slice(7)}\n`,
    ],
    isJson: false,
    runs: 100,
    given: (at) => ({ path: `/c${at}/SHA256SUMS` }),
    besides: (at) => [whole(`/c${at}/x.sif`)],
    asked: (at) => [`/files/data/c${at}/x.sif`],
    mistake: isImage,
  },
]

const known = new Set([200, 206, 303, 400, 401, 403, 404, 413, 416, 429, 502, 503, 504])

describe.each(hostile.map((one) => [one.what, one] as const))('%s', (_what, one) => {
  test('that is none is no misfortune of the house', { timeout: fuzzPatience(60_000) }, async () => {
    const texts = one.isJson
      ? fc.oneof({ weight: 3, arbitrary: spoiltJson(one.seeds()) }, { weight: 2, arbitrary: anyText(one.seeds()) })
      : anyText(one.seeds())
    const before = one.from().requests.length
    let at = 0
    await fc.assert(
      fc.asyncProperty(texts, (text) => pull(one, text, at++).then(() => {})),
      { ...(fuzzing(one.runs) as fc.Parameters<[string]>), endOnFailure: true },
    )
    expect(one.from().requests.length - before, 'questions to the upstream').toBeGreaterThanOrEqual(at)
    expect(await wrongBlobsOn(house.storePath)).toEqual([])
  })

  test('that is right is taken', async () => {
    for (const [at, seed] of one.seeds().entries()) expect(await pull(one, seed, 10_000 + at)).toBe(one.right ?? 200)
  })
})

/** Status of the last answer. */
async function pull(one: Hostile, text: string, at: number): Promise<number> {
  let last = 0
  later += 20 * 60_000
  pulls++
  const bytes = bytesOfText(text)
  const upstream = one.from()
  const rules = [
    [one.given(at), { status: 200, body: bytes, ...(one.headers && { headers: one.headers }) }] as const,
    ...(one.besides?.(at) ?? []),
  ]
  const added = rules.toReversed().map(([where, what]) => upstream.fault(where, what))
  try {
    for (const [which, path] of one.asked(at).entries()) {
      const reply = await ask(house.url + path)
      last = reply.status
      const why = known.has(reply.status) ? reply.status === 200 && one.mistake(reply, bytes, which) : 'a failure of its own'
      if (why)
        throw new Error(`${why} in answer to ${path}: ${reply.status} ${JSON.stringify(reply.body.toString('latin1', 0, 300))}`)
    }
  } finally {
    for (const rule of added) rule.remove()
  }
  return last
}

test('the house goes on as if nothing had been', async () => {
  await until(async () => (await house.metric('transfer_fills_running')) === 0, 'nothing is being fetched')
  await until(async () => (await house.metric('edge_requests_open')) === 0, 'nobody is being answered')
  kinds.registry.push('lab/sound', tool, 'v1')
  kinds.library.push('e/c/sound:v1', sif)
  for (const [path, bytes] of [
    ['/v2/lab.example/lab/sound/manifests/v1', tool.manifest.bytes],
    ['/library/lab/v1/imagefile/e/c/sound:v1', sif],
    ['/shub/hub/image/lab/sound:v1', sif],
  ] as const) {
    const reply = await ask(house.url + path)
    expect([path, reply.status, createHash('sha256').update(reply.body).digest('hex')]).toEqual([
      path,
      200,
      createHash('sha256').update(bytes).digest('hex'),
    ])
  }
})
