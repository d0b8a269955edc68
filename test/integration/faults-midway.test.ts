import { describe, expect, test } from 'vitest'
import { ask, askPatiently, open } from '../kit/ask.ts'
import { blob, KiB, MiB } from '../kit/blobs.ts'
import { blobsOn, isHeld, spoolsOn, until, untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import { createHurriedClock } from '../kit/hurried-clock.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createWorld, type World, type WorldOptions } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(8 * MiB, 'midway')
const size = layer.bytes.length
const gets = { path: '/blobs/', method: 'GET' } as const

async function worldWithLayer(options: WorldOptions = {}): Promise<World & { url: string }> {
  const world = await createWorld(options)
  world.upstream.pushBlob('lab/tool', layer)
  return Object.assign(world, { url: world.blob('lab/tool', layer.digest) })
}

const rangesAsked = ({ upstream }: World) =>
  upstream.requests
    .filter(({ method, path }) => method === 'GET' && path.includes(layer.digest))
    .map(({ headers }) => headers.range)

const lostByACut = 512 * KiB // what the network has taken and had not handed on when the connection broke

/** Each GET after the first asked for the rest from about where the one before it was cut. */
function expectResumed(world: World, ...cuts: readonly number[]): void {
  const [first, ...resumes] = rangesAsked(world)
  expect([first, resumes.length]).toEqual([undefined, cuts.length])
  for (const [at, range] of resumes.entries()) {
    const start = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1])
    expect(start).toBeLessThanOrEqual(cuts[at]!)
    expect(start).toBeGreaterThan(cuts[at]! - lostByACut)
  }
  expect(world.upstream.bytesSent(layer.digest)).toBeLessThan(size + cuts.length * lostByACut)
}

/** Whoever asks next, with the upstream well again, gets the right bytes. */
async function expectRightNextTime(world: World & { url: string }): Promise<void> {
  world.upstream.heal()
  expect(await askPatiently(world.url)).toMatchObject({ status: 200, sha256: layer.digest, end: 'clean' })
  await untilHeld(world.house.storePath, layer.digest)
  expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
}

describe('an upstream that cuts the connection', () => {
  test('is asked for the rest by Range, and no client notices', async () => {
    await using world = await worldWithLayer()
    world.upstream.fault({ ...gets, nth: 1 }, { cutAfter: 3 * MiB })
    const replies = await Promise.all([ask(world.url), ask(world.url), ask(world.url, { headers: { range: 'bytes=-100' } })])
    expect(replies.map(({ end }) => end)).toEqual(['clean', 'clean', 'clean'])
    expect(replies.slice(0, 2).map(({ sha256 }) => sha256)).toEqual([layer.digest, layer.digest])
    expectResumed(world, 3 * MiB)
  })

  test('and knows no Range is read again from the start, and no client notices', async () => {
    await using world = await worldWithLayer({ upstream: { ranges: false } })
    world.upstream.fault({ ...gets, nth: 1 }, { cutAfter: 3 * MiB })
    expect(await ask(world.url)).toMatchObject({ status: 200, sha256: layer.digest, end: 'clean' })
    expect(world.upstream.bytesSent(layer.digest)).toBeLessThanOrEqual(3 * MiB + size)
  })

  test('again and again is asked again and again while it makes progress', async () => {
    await using world = await worldWithLayer()
    world.upstream.fault({ ...gets, nth: [1, 2, 3] }, { cutAfter: 2 * MiB })
    expect(await ask(world.url)).toMatchObject({ status: 200, sha256: layer.digest, end: 'clean' })
    expect(world.upstream.bytesSent(layer.digest)).toBeLessThan(size + 3 * lostByACut)
  })

  test('and then answers 403 to a signed URL is asked for a new one', async () => {
    await using world = await worldWithLayer({ upstream: { redirect: {} } })
    world.upstream.fault({ on: 'cdn', nth: 1 }, { cutAfter: 3 * MiB, afterwards: () => world.upstream.cdn.expireUrls() })
    expect(await ask(world.url)).toMatchObject({ status: 200, sha256: layer.digest, end: 'clean' })
    expect(world.upstream.bytesSent(layer.digest)).toBeLessThan(size + 3 * lostByACut)
  })

  test('and asks for a new token midway gets one', async () => {
    await using world = await worldWithLayer({ upstream: { auth: { kind: 'bearer' } } })
    world.upstream.fault({ ...gets, nth: 1 }, { status: 401, headers: { 'www-authenticate': challenge(world) } })
    world.upstream.fault({ ...gets, nth: 2 }, { cutAfter: 3 * MiB, afterwards: () => world.upstream.expireTokens() })
    expect(await ask(world.url)).toMatchObject({ status: 200, sha256: layer.digest, end: 'clean' })
    expect(world.upstream.tokens.length).toBeGreaterThan(1)
    expect(world.upstream.bytesSent(layer.digest)).toBeLessThan(size + 3 * lostByACut)
  })

  test('and resumes with other bytes than asked for is not believed', async () => {
    await using world = await worldWithLayer()
    world.upstream.fault({ ...gets, nth: 1 }, { cutAfter: 3 * MiB })
    world.upstream.fault({ ...gets, nth: 2 }, { contentRange: `bytes 100-${size - 1}/${size}` })
    const reply = await ask(world.url)
    expect(reply.end === 'clean' ? reply.sha256 : 'cut').toBe(reply.end === 'clean' ? layer.digest : 'cut')
    await expectRightNextTime(world)
  })

  test('and ignores the Range of the resume is read past what is held', async () => {
    await using world = await worldWithLayer()
    world.upstream.fault({ ...gets, nth: 1 }, { cutAfter: 3 * MiB })
    world.upstream.fault({ ...gets, nth: 2 }, { ignoreRange: true })
    expect(await ask(world.url)).toMatchObject({ status: 200, sha256: layer.digest, end: 'clean' })
  })

  test.each([
    { name: 'another total', fault: { total: size + 5 } },
    { name: 'another ETag', fault: { etag: '"changed"' } },
  ])('and resumes with $name never completes wrong bytes', async ({ fault }) => {
    await using world = await worldWithLayer()
    world.upstream.fault({ ...gets, nth: 1 }, { cutAfter: 3 * MiB })
    world.upstream.fault({ ...gets, nth: 2 }, { ...fault, flipAt: 5 * MiB })
    const reply = await ask(world.url)
    expect(reply.end === 'cut' || reply.sha256 === layer.digest).toBe(true)
    expect(await wrongBlobsOn(world.house.storePath)).toEqual([])
    await expectRightNextTime(world)
  })

  test('for good ends the clients without a clean end, and the next ask resumes where it stopped', async () => {
    await using world = await worldWithLayer({ clock: createHurriedClock(20) })
    world.upstream.fault({ ...gets, nth: 1 }, { cutAfter: 5 * MiB, afterwards: () => void world.upstream.refuse() })
    const reply = await ask(world.url)
    expect([reply.status, reply.end]).toEqual([200, 'cut'])
    expect(reply.body.equals(layer.bytes.subarray(0, reply.body.length))).toBe(true)
    expect(await isHeld(world.house.storePath, layer.digest)).toBe(false)
    await world.upstream.reopen()
    await expectRightNextTime(world)
    expect(rangesAsked(world).at(-1)).toMatch(/^bytes=(4[5-9]|5[0-2])\d{5}-$/) // 5 MiB, or a little less
    expect(world.upstream.bytesSent(layer.digest)).toBeLessThan(1.05 * size)
  })
})

describe('an upstream that stalls', () => {
  test('midway is left after the idle timeout and resumed, and no client notices', async () => {
    await using world = await worldWithLayer({ house: { outbound: { idleTimeout: '3s' } } })
    world.upstream.fault({ ...gets, nth: 1 }, { stallAfter: 3 * MiB })
    expect(await ask(world.url)).toMatchObject({ status: 200, sha256: layer.digest, end: 'clean' })
    expectResumed(world, 3 * MiB)
  })

  test('before its headers is a 504 once the header timeout has passed', async () => {
    await using world = await worldWithLayer({ house: { outbound: { headersTimeout: '1s' } } })
    world.upstream.fault({ path: '/blobs/' }, { stall: 'for ever' })
    const reply = await ask(world.url)
    expect(reply.status).toBe(504)
    await expectRightNextTime(world)
  })

  test('but drips is never given up: there is no total timeout', async () => {
    await using world = await createWorld({ house: { outbound: { idleTimeout: '3s', headersTimeout: '3s' } } })
    const small = blob(200 * KiB, 'drip')
    world.upstream.pushBlob('lab/tool', small)
    world.upstream.fault(gets, { drip: { bytes: 10 * KiB, everyMs: 250 } }) // five seconds in all
    expect(await ask(world.blob('lab/tool', small.digest))).toMatchObject({ status: 200, sha256: small.digest })
    expect(world.upstream.bodies(small.digest)).toBe(1)
  })
})

describe('an upstream that gives wrong bytes', () => {
  test('of a large blob never leads to a clean end, and nothing of them is kept', async () => {
    await using world = await worldWithLayer()
    world.upstream.fault(gets, { flipAt: 6 * MiB })
    const replies = await Promise.all([ask(world.url), ask(world.url), ask(world.url)])
    for (const reply of replies) expect(reply.status === 200 ? reply.end : reply.status).toBe(reply.status === 200 ? 'cut' : 502)
    expect(replies.every(({ body }) => body.length < size)).toBe(true)
    expect(await blobsOn(world.house.storePath)).toEqual([])
    await until(async () => (await spoolsOn(world.house.storePath)).length === 0, 'no spool left')
    await expectRightNextTime(world)
  })

  test('of a blob up to 1 MiB is a clean 502', async () => {
    await using world = await createWorld()
    const small = blob(MiB, 'small')
    world.upstream.pushBlob('lab/tool', small)
    world.upstream.fault(gets, { flipAt: 17 })
    const reply = await ask(world.blob('lab/tool', small.digest))
    expect([reply.status, reply.end, reply.headers['content-type']]).toEqual([502, 'clean', 'application/json'])
    expect(await blobsOn(world.house.storePath)).toEqual([])
    world.upstream.heal()
    expect(await ask(world.blob('lab/tool', small.digest))).toMatchObject({ status: 200, sha256: small.digest })
  })

  test('only in the range that was fetched ahead is found out all the same', async () => {
    await using world = await createWorld()
    const large = blob(20 * MiB, 'ahead')
    world.upstream.pushBlob('lab/tool', large)
    const url = world.blob('lab/tool', large.digest)
    const gate = world.upstream.hold({ ...gets, nth: 1 })
    gate.release(2 * MiB)
    world.upstream.fault({ ...gets, nth: 2 }, { flipAt: 15 * MiB + 10 })
    const whole = await open(url)
    await whole.atLeast(MiB)
    await ask(url, { headers: { range: `bytes=${15 * MiB}-${15 * MiB + 99}` } })
    gate.open()
    expect((await whole.rest()).end).toBe('cut')
    expect(await blobsOn(world.house.storePath)).toEqual([])
    world.upstream.heal()
    expect(await ask(url)).toMatchObject({ status: 200, sha256: large.digest, end: 'clean' })
  })

  test('left behind in the spool by a cut is thrown away, and the right ones are fetched', async () => {
    await using world = await worldWithLayer({ clock: createHurriedClock(20) })
    world.upstream.fault({ ...gets, nth: 1 }, { flipAt: 10, cutAfter: 4 * MiB, afterwards: () => void world.upstream.refuse() })
    expect((await ask(world.url)).end).toBe('cut')
    await world.upstream.reopen()
    world.upstream.heal()
    const second = await askPatiently(world.url) // resumes what is wrong already: cut, or fetched anew unseen
    expect(second.end === 'cut' || second.sha256 === layer.digest).toBe(true)
    await expectRightNextTime(world)
  })
})

function challenge({ upstream }: World): string {
  return `Bearer realm="${upstream.url}/token",service="fake-registry",scope="repository:lab/tool:pull"`
}
