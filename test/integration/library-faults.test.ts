import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { ask, type Reply } from '../kit/ask.ts'
import { KiB, MiB, seededBytes } from '../kit/blobs.ts'
import { blobsOn } from '../kit/disk.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { pullFromLibrary } from '../kit/library-client.ts'
import { type LibraryKind, sha256 } from '../kit/library-upstream.ts'
import { createLibraryWorld } from '../kit/library-world.ts'
import { createRecordedLog } from '../kit/recorded-log.ts'
import type { Fault } from '../kit/upstream/rules.ts'

expectNoLeaks()

const bytes = seededBytes(3 * MiB, 'faults')
const errorIn = ({ body }: Pick<Reply, 'body'>) => JSON.parse(body.toString()).error as { code: number; message: string }

describe('an answer of the library that is none', () => {
  test.each<readonly [string, LibraryKind, Fault, number, string]>([
    ['401', 'sylabs', { status: 401, body: '{"error":{"code":401,"message":"log in first"}}' }, 403, 'log in first'],
    ['403', 'sylabs', { status: 403, body: '{"error":{"code":403,"message":"not for you"}}' }, 403, 'not for you'],
    ['403 of hinkskalle', 'hinkskalle', { status: 403, body: '{"errors":[{"detail":"private image"}]}' }, 403, 'private image'],
    ['403 without a word', 'sylabs', { status: 403 }, 403, 'refused access'],
    ['404', 'sregistry', { status: 404, body: '{"detail":"Not found."}' }, 404, 'was not found'],
    ['406', 'hinkskalle', { status: 406, body: '{"errors":[{"detail":"Not a SIF"}]}' }, 400, 'Not a SIF'],
    ['429', 'sregistry', { status: 429, body: '{"detail":"Request was throttled."}' }, 429, 'Request was throttled'],
    ['500', 'sylabs', { status: 500, body: '{"error":{"code":500,"message":"oh no"}}' }, 502, 'answered 500: oh no'],
    ['502 of a proxy', 'sylabs', { status: 502, body: '<html>Bad Gateway</html>' }, 502, 'answered 502'],
    ['200 with a page', 'sylabs', { body: '<html>Welcome to the hotel</html>' }, 502, 'it is not JSON'],
    ['200 with a list', 'sylabs', { body: '[]' }, 502, 'not a JSON object'],
    ['200 without an envelope', 'sylabs', { body: '{"hash":"sha256.0123"}' }, 502, 'it has no data object'],
    ['200 with half an answer', 'sylabs', { cutAfter: 20 }, 502, 'stopped after'],
  ])('%s of %s is told in the form that clients show', async (_what, kind, fault, status, message) => {
    await using world = await createLibraryWorld({ library: { kind } })
    world.library.push('e/c/n:t', bytes)
    world.library.fault({ path: '/v1/images/' }, fault)
    const reply = await ask(`${world.house.url}/v1/images/e/c/n:t?arch=amd64`)
    expect([reply.status, reply.headers['content-type']]).toEqual([status, 'application/json'])
    expect(errorIn(reply)).toMatchObject({ code: status, message: expect.stringContaining(message) })
  })

  test('does not keep what is known from anybody, while it may pass', async () => {
    await using world = await createLibraryWorld({ settings: { freshFor: '1ms' } })
    world.library.push('e/c/n:t', bytes)
    await pullFromLibrary(world.house.url, 'e/c/n:t')
    await world.stored('e/c/n:t')
    for (const status of [429, 500, 503]) {
      const rule = world.library.fault({ path: '/v1/' }, { status })
      const reply = await ask(`${world.house.url}/v1/images/e/c/n:t`)
      expect([reply.status, reply.headers['cache-status']]).toEqual([200, 'forebay; fwd=stale'])
      expect((await pullFromLibrary(world.house.url, 'e/c/n:t')).why).toBeUndefined()
      rule.remove()
    }
  })

  test('says when to come again', async () => {
    await using world = await createLibraryWorld()
    world.library.fault({ path: '/v1/images/' }, { status: 429, headers: { 'retry-after': '7' } })
    expect((await ask(`${world.house.url}/v1/images/e/c/n:t`)).headers['retry-after']).toBe('7')
  })

  test('is never a hash that is none, or an empty one', async () => {
    await using world = await createLibraryWorld()
    for (const hash of ['', 'sha256.', 'sha256.xyz', 7, null, `sha256.${'A'.repeat(64)}`]) {
      const name = `e/c/n${String(hash).length}:t`
      world.library.push(name, bytes, { more: { hash } })
      const reply = await ask(`${world.house.url}/v1/images/${name}`)
      if (reply.status === 200) expect(JSON.parse(reply.body.toString()).data.hash).toMatch(/^sha256\.[0-9a-f]{64}$/)
      else expect(reply.status).toBe(502)
    }
  })

  test('is about another image than was asked for', async () => {
    await using world = await createLibraryWorld()
    const asked = `sha256.${'0'.repeat(64)}`
    const body = JSON.stringify({ data: { hash: sha256(bytes), arch: 'amd64' } })
    world.library.fault({ path: '/v1/images/' }, { status: 200, body })
    const reply = await ask(`${world.house.url}/v1/images/e/c/n:${asked}`)
    expect([reply.status, errorIn(reply).message]).toEqual([502, expect.stringContaining('another hash')])
  })

  test('is about an image that has no file yet', async () => {
    await using world = await createLibraryWorld()
    world.library.push('e/c/n:t', bytes, { more: { uploaded: false } })
    expect((await ask(`${world.house.url}/v1/images/e/c/n:t`)).status).toBe(404)
  })

  test('sends no client of ours to another registry', async () => {
    await using world = await createLibraryWorld()
    const message = 'use application/vnd.oci.image.config.v1+json'
    world.library.fault({ path: '/v1/images/' }, { status: 403, body: JSON.stringify({ error: { message } }) })
    const reply = await ask(`${world.house.url}/v1/images/e/c/n:t`)
    expect(reply.status).toBe(403)
    expect(reply.body.toString()).not.toContain('oci.image.config')
    expect((await ask(`${world.house.url}/v1/oci-redirect?namespace=e%2Fc%2Fn`)).status).toBe(404)
  })
})

describe('bytes that are wrong', () => {
  test.each<readonly [string, Fault, 'registry' | 'cdn']>([
    ['one of them', { flipAt: 1_500_000 }, 'cdn'],
    ['the last of them', { flipAt: bytes.length - 1 }, 'cdn'],
    ['too few, and a length that fits', { body: bytes.subarray(0, 2 * MiB) }, 'cdn'],
    ['a page of a hotel', { body: '<html>Welcome</html>' }, 'cdn'],
  ])('%s: nobody gets a whole file, nothing is kept, and the next pull is right', async (_what, fault, on) => {
    await using world = await createLibraryWorld()
    world.library.push('e/c/n:t', bytes)
    world.library.fault({ on }, fault)
    const { bytes: got, why } = await pullFromLibrary(world.house.url, 'e/c/n:t')
    expect(got, why).toBeUndefined()
    const direct = await ask(`${world.house.url}/v1/imagefile/e/c/n:t`).catch(() => undefined)
    expect(direct?.status === 200 && direct.end === 'clean').toBe(false)
    expect(await blobsOn(world.house.storePath)).toEqual([])
    world.library.heal()
    expect((await pullFromLibrary(world.house.url, 'e/c/n:t')).why).toBeUndefined()
  })

  test('are never told as a hash, where the library knows an md5', async () => {
    await using world = await createLibraryWorld({ library: { kind: 'sregistry' } })
    world.library.push('e/c/n:t', bytes, { hash: 'md5' })
    world.library.fault({ on: 'cdn' }, { flipAt: 5 })
    expect((await ask(`${world.house.url}/v1/images/e/c/n:t`)).status).toBe(502)
    world.library.heal()
    expect(await pullFromLibrary(world.house.url, 'e/c/n:t')).toMatchObject({ why: undefined, hash: sha256(bytes) })
  })

  test('of a wrong hash are refused for good', async () => {
    await using world = await createLibraryWorld()
    world.library.push('e/c/n:t', bytes, { hash: `sha256.${'7'.repeat(64)}` })
    expect((await pullFromLibrary(world.house.url, 'e/c/n:t')).bytes).toBeUndefined()
    expect(await blobsOn(world.house.storePath)).toEqual([])
  })
})

test('a presigned URL that expires in the middle is asked for anew', async () => {
  await using world = await createLibraryWorld()
  world.library.push('e/c/n:t', bytes)
  world.library.fault({ on: 'cdn', nth: 1 }, { cutAfter: MiB, afterwards: world.library.expireUrls })
  expect(await pullFromLibrary(world.house.url, 'e/c/n:t')).toMatchObject({ why: undefined })
  expect(world.library.asked.filter((one) => one.includes('/imagefile/'))).toHaveLength(2)
  expect(world.library.requests.filter(({ on }) => on === 'cdn').map(({ status }) => status)).toEqual([200, 206])
})

test('a file that the library has not got is missing, and no failure of the proxy', async () => {
  await using world = await createLibraryWorld()
  world.library.push('e/c/n:t', seededBytes(100 * KiB, 'gone'))
  world.library.fault({ path: '/imagefile/' }, { status: 404, body: '{}' })
  const reply = await ask(`${world.house.url}/v1/imagefile/e/c/n:t`)
  expect([reply.status, errorIn(reply).code]).toEqual([404, 404])
})

test('no secret is told to anybody or written down', async () => {
  const env = { LIBRARY_TOKEN: 'site-token-4711' }
  const log = createRecordedLog()
  await using world = await createLibraryWorld({
    library: { token: env.LIBRARY_TOKEN },
    settings: { credentials: { token: { env: 'LIBRARY_TOKEN' } } },
    house: { env },
    log,
  })
  world.library.push('e/c/n:t', bytes)
  const replies: Reply[] = []
  world.library.fault({ on: 'cdn' }, { flipAt: 7 })
  replies.push(await ask(`${world.house.url}/v1/imagefile/e/c/n:t`).catch(() => ask(`${world.house.url}/v1/imagefile/e/c/n:t`)))
  for (const fault of [{ status: 403 }, { status: 500 }, { status: 429 }]) {
    const message = `you sent ${env.LIBRARY_TOKEN}, see https://store.example/x?X-Amz-Signature=${'5'.repeat(24)}`
    world.library.fault({ path: '/v1/images/' }, { ...fault, body: JSON.stringify({ error: { message } }) })
    replies.push(await ask(`${world.house.url}/v1/images/e/c/other${fault.status}:t`))
  }
  const said = [
    ...replies.map(({ body, rawHeaders }) => body.toString() + rawHeaders.join()),
    inspect(log.lines, { depth: 12 }),
  ].join('\n')
  for (const secret of [env.LIBRARY_TOKEN, 'X-Amz-Signature', ...world.library.secrets]) expect(said).not.toContain(secret)
  expect(world.library.secrets.length).toBeGreaterThan(0)
})
