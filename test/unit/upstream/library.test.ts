import { describe, expect, test } from 'vitest'
import { type Digest, digestOf } from '../../../src/model/digest.ts'
import type { NameFacts } from '../../../src/model/facts.ts'
import { isFault } from '../../../src/model/fault.ts'
import type { ImageName, ImageReference, UpstreamId } from '../../../src/model/reference.ts'
import { createHttp } from '../../../src/system/http.ts'
import { createLibraryUpstream } from '../../../src/upstream/library.ts'
import type { NameAnswer } from '../../../src/upstream/upstream.ts'
import { digestOfBytes, seededBytes } from '../../kit/blobs.ts'
import { createHandClock } from '../../kit/hand-clock.ts'
import { createFakeLibrary, type FakeLibraryOptions, sha256 } from '../../kit/library-upstream.ts'
import { asking } from '../../kit/questions.ts'

const bytes = seededBytes(50_000, 'library')
const id = 'lab' as UpstreamId
const image = (name: string, pointer = 't', arch?: string): ImageReference => ({
  kind: 'image',
  upstream: id,
  name: name as ImageName,
  pointer,
  arch,
})

async function bench(options: FakeLibraryOptions & { readonly secret?: string } = {}) {
  const library = await createFakeLibrary(options)
  const clock = createHandClock()
  const http = createHttp({
    origins: [new URL(library.url), new URL(library.files.url)],
    allow: [],
    proxies: { no: [] },
    ca: [],
    connectTimeoutMs: 30_000,
    headersTimeoutMs: 30_000,
    idleTimeoutMs: 30_000,
    userAgent: 'test/1',
  })
  const { secret } = options
  const upstream = createLibraryUpstream({
    id,
    url: new URL(library.url),
    http,
    clock,
    credentials: async () => (secret === undefined ? undefined : { kind: 'bearer', token: secret }),
    isPublic: secret === undefined,
    maxConnections: 4,
  })
  return {
    library,
    clock,
    upstream,
    resolve: (reference: ImageReference, known?: NameFacts) => upstream.resolve(reference, asking(), known),
    async [Symbol.asyncDispose]() {
      await http.close()
      await library[Symbol.asyncDispose]()
    },
  }
}

function toldIn(answer: NameAnswer) {
  if (answer.outcome !== 'found') throw new Error(`the answer was ${answer.outcome}`)
  return answer.told
}

const factsOf = (reference: ImageReference, answer: NameAnswer): NameFacts => ({
  ...toldIn(answer),
  reference,
  id: undefined,
  checkedAt: 0,
})

async function faultOf(work: Promise<unknown>) {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  return isFault(error) ? error : undefined
}

describe('what a library says of an image', () => {
  test('is its sha256, which is its version', async () => {
    await using b = await bench()
    b.library.push('e/c/n:t', bytes)
    const told = toldIn(await b.resolve(image('e/c/n')))
    expect(told).toMatchObject({ claimed: digestOfBytes(bytes), version: digestOfBytes(bytes), size: undefined, urls: [] })
    expect(told.about).toMatchObject({ entityName: 'e', containerName: 'n', id: '1' })
    expect(told.about).not.toHaveProperty('hash')
    expect(told.about).not.toHaveProperty('size')
  })

  test('is an md5, or when it was changed', async () => {
    await using b = await bench({ kind: 'sregistry' })
    b.library.push('c/md5:t', bytes, { hash: 'md5' })
    b.library.push('c/none:t', bytes, { hash: 'none' })
    b.library.push('c/nothing:t', bytes, { hash: 'none', more: { id: null, createdAt: '', updatedAt: null } })
    const md5 = digestOfBytes(bytes, 'md5')
    expect(toldIn(await b.resolve(image('c/md5')))).toMatchObject({ claimed: md5, version: md5 })
    const changed = toldIn(await b.resolve(image('c/none')))
    expect(changed.claimed).toBeUndefined()
    expect(changed.version).toBe(toldIn(await b.resolve(image('c/none'))).version)
    b.library.push('c/none:t', bytes, { hash: 'none' })
    expect(toldIn(await b.resolve(image('c/none'))).version).not.toBe(changed.version)
    const first = toldIn(await b.resolve(image('c/nothing')))
    await b.clock.advance(1)
    expect(toldIn(await b.resolve(image('c/nothing'))).version).not.toBe(first.version)
  })

  test('is nothing new while it says the same', async () => {
    await using b = await bench()
    b.library.push('e/c/n:t', bytes)
    const known = factsOf(image('e/c/n'), await b.resolve(image('e/c/n')))
    expect((await b.resolve(image('e/c/n'), known)).outcome).toBe('unchanged')
    b.library.push('e/c/n:t', bytes, { more: { description: 'better told' } })
    expect((await b.resolve(image('e/c/n'), known)).outcome).toBe('found')
  })

  test('is asked for the usual architecture where none is said, and without waiting for a hash', async () => {
    await using b = await bench()
    await b.resolve(image('e/c/n'))
    await b.resolve(image('e/c/n', 'v-1.2_x', 'arm64'))
    expect(b.library.asked).toEqual(['GET /v1/images/e/c/n:t?arch=amd64', 'GET /v1/images/e/c/n:v-1.2_x?arch=arm64'])
    expect(b.library.requests[0]!.headers.prefer).toBe('wait=0')
  })

  test.each([
    ['is not there', {}],
    ['is of another architecture', { more: { arch: 'arm64' } }],
    ['has no file yet', { more: { uploaded: false } }],
  ])('is that it is missing, where it %s', async (_why, options) => {
    await using b = await bench()
    if ('more' in options) b.library.push('e/c/n:t', bytes, options)
    expect(await b.resolve(image('e/c/n'))).toEqual({ outcome: 'missing' })
  })

  test('of a hash is about that hash, also where it knows an md5 only', async () => {
    await using b = await bench()
    const pointer = sha256(bytes)
    b.library.push('e/c/n:t', bytes, { hash: 'md5', more: { arch: 'arm64' } })
    expect(toldIn(await b.resolve(image('e/c/n', pointer))).claimed).toBe(digestOfBytes(bytes))
    b.library.fault({}, { status: 200, body: JSON.stringify({ data: { hash: `sha256.${'0'.repeat(64)}` } }) })
    expect((await faultOf(b.resolve(image('e/c/n', pointer))))?.code).toBe('upstream-invalid')
  })

  test('that is an error keeps what it says, but no secret', async () => {
    await using b = await bench({ secret: 'open-sesame' })
    const say = (status: number, message: string) =>
      b.library.fault({}, { status, body: JSON.stringify({ error: { code: status, message } }) })
    say(403, 'ask Ada')
    expect(await faultOf(b.resolve(image('e/c/n')))).toMatchObject({ code: 'upstream-refused', details: { said: 'ask Ada' } })
    say(429, 'later')
    expect(await faultOf(b.resolve(image('e/c/n')))).toMatchObject({ code: 'upstream-limited', details: { said: 'later' } })
    say(401, 'what is open-sesame?')
    expect((await faultOf(b.resolve(image('e/c/n'))))?.message).not.toContain('sesame')
    say(403, 'see https://store.example/x?X-Amz-Signature=0815')
    expect((await faultOf(b.resolve(image('e/c/n'))))?.message).not.toContain('0815')
    say(406, 'Not a SIF')
    expect(await faultOf(b.resolve(image('e/c/n')))).toMatchObject({ code: 'request-invalid' })
    expect(b.library.authorizations.every(({ on, value }) => on === 'library' && value === 'Bearer open-sesame')).toBe(true)
  })
})

describe('the file of an image', () => {
  const hash = digestOf('sha256', 'a1'.repeat(32))
  const pathsOf = (sources: readonly { readonly url: URL }[]) => sources.map(({ url }) => url.pathname + url.search)
  const facts = (claimed: Digest | undefined, pointer = 't', arch?: string): NameFacts => ({
    reference: image('e/c/n', pointer, arch),
    claimed,
    size: undefined,
    mediaType: 'application/octet-stream',
    validators: {},
    version: 'v',
    urls: [],
    about: {},
    id: undefined,
    checkedAt: 0,
  })
  const byTag = '/v1/imagefile/e/c/n:t?arch=amd64'
  const byHash = `/v1/imagefile/e/c/n:sha256.${'a1'.repeat(32)}?arch=amd64`

  test('is asked for by its hash first, where the library told one', async () => {
    await using b = await bench()
    const { sourcesOf } = b.upstream
    expect(pathsOf(sourcesOf(facts(hash)))).toEqual([byHash, byTag])
    expect(pathsOf(sourcesOf(facts(undefined)))).toEqual([byTag])
    expect(pathsOf(sourcesOf(facts(undefined), hash))).toEqual([byTag])
    expect(pathsOf(sourcesOf(facts(digestOf('md5', 'b2'.repeat(16))), hash))).toEqual([byTag])
    expect(pathsOf(sourcesOf(facts(digestOf('sha256', 'c3'.repeat(32))), hash))).toEqual([byHash, byTag])
    expect(pathsOf(sourcesOf(facts(hash, `sha256.${'a1'.repeat(32)}`)))).toEqual([byHash])
    expect(pathsOf(sourcesOf(facts(undefined, 't', 'arm64')))).toEqual(['/v1/imagefile/e/c/n:t?arch=arm64'])
  })

  test('is asked for by its tag first for an hour, where the library does not know hashes for tags', async () => {
    await using b = await bench({ kind: 'sregistry' })
    b.library.push('e/c/n:t', bytes)
    const signal = new AbortController().signal
    const [first] = b.upstream.sourcesOf(facts(hash))
    expect((await faultOf(b.upstream.read(first!, {}, signal)))?.code).toBe('not-found')
    expect(pathsOf(b.upstream.sourcesOf(facts(hash)))).toEqual([byTag, byHash])
    await b.clock.advance(3_600_001)
    expect(pathsOf(b.upstream.sourcesOf(facts(hash)))).toEqual([byHash, byTag])
  })

  test.each(['sylabs', 'sregistry', 'hinkskalle'] as const)('is read in part from %s, wherever that leads', async (kind) => {
    await using b = await bench({ kind, secret: 'open-sesame' })
    b.library.push('e/c/n:t', bytes)
    const [source] = b.upstream.sourcesOf(facts(undefined))
    const answer = await b.upstream.read(source!, { range: { start: 10, end: 20 } }, new AbortController().signal)
    expect([answer.status, answer.range, answer.total]).toEqual([206, { start: 10, end: 20 }, bytes.length])
    const parts: Buffer[] = []
    for await (const part of answer.body) parts.push(Buffer.from(part))
    expect(Buffer.concat(parts).equals(bytes.subarray(10, 20))).toBe(true)
    expect(b.library.authorizations.map(({ on }) => on)).toEqual(['library'])
  })
})
