import { describe, expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { KiB, MiB, seededBytes } from '../kit/blobs.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { pullFromLibrary } from '../kit/library-client.ts'
import { type LibraryImageOptions, type LibraryKind, sha256 } from '../kit/library-upstream.ts'
import { createLibraryWorld } from '../kit/library-world.ts'

expectNoLeaks()

const bytes = seededBytes(6 * MiB + 123, 'tool')
const kinds: readonly (readonly [string, LibraryKind, LibraryImageOptions])[] = [
  ['Sylabs, with a redirect to a store', 'sylabs', {}],
  ['hinkskalle, which sends the file itself', 'hinkskalle', {}],
  ['sregistry, which counts megabytes', 'sregistry', {}],
  ['sregistry with an md5', 'sregistry', { hash: 'md5' }],
  ['a server that knows no hash', 'sylabs', { hash: 'none' }],
  ['a server whose hash is none', 'sylabs', { hash: 'latest' }],
  ['a server with a size in quotes', 'sylabs', { more: { size: '6.3' } }],
  ['a server with the size of another image', 'sylabs', { more: { size: 6 * MiB } }],
  ['a server with times that have no zone', 'sylabs', { more: { createdAt: '2024-01-02T03:04:05', deletedAt: '', tags: 7 } }],
]

describe.each(kinds)('an image of %s', (_who, kind, options) => {
  test('is pulled cold, warm and with the upstream gone, and crosses the uplink once', async () => {
    await using world = await createLibraryWorld({ library: { kind }, settings: { freshFor: '1s' } })
    const { house, library } = world
    library.push('e/c/n:t', bytes, options)
    const cold = await pullFromLibrary(house.url, 'e/c/n:t')
    await world.stored('e/c/n:t')
    expect(cold).toMatchObject({ why: undefined, hash: sha256(bytes) })
    expect(cold.bytes?.equals(bytes)).toBe(true)
    expect((await pullFromLibrary(house.url, 'e/c/n:t')).bytes?.equals(bytes)).toBe(true)
    await library.refuse()
    const off = await pullFromLibrary(house.url, 'e/c/n:t', { partBytes: MiB })
    expect(off).toMatchObject({ why: undefined, hash: sha256(bytes), parts: 7 })
    expect(library.transfers).toBe(1)
    expect(library.asked.filter((one) => !/ \/v1\/(images|imagefile)\//.test(one))).toEqual([])
  })
})

describe('what is told of an image', () => {
  test('has the sha256 at once where the upstream vouches for it, and a size only once it was counted', async () => {
    await using world = await createLibraryWorld()
    world.library.push('e/c/n:t', bytes)
    const told = async () => JSON.parse((await ask(`${world.house.url}/v1/images/e/c/n:t?arch=amd64`)).body.toString()).data
    expect(await told()).toMatchObject({ hash: sha256(bytes), arch: 'amd64', containerName: 'n' })
    expect(await told()).not.toHaveProperty('size')
    expect(world.library.transfers).toBe(0)
    await ask(`${world.house.url}/v1/imagefile/e/c/n:t?arch=amd64`)
    await world.stored('e/c/n:t')
    expect(await told()).toMatchObject({ hash: sha256(bytes), size: bytes.length })
  })

  test('has the sha256 of the bytes where the upstream knows an md5 only, which takes bringing them in', async () => {
    await using world = await createLibraryWorld({ library: { kind: 'sregistry' } })
    world.library.push('c/n:t', bytes, { hash: 'md5' })
    const gate = world.library.hold({ on: 'cdn' })
    const asking = ask(`${world.house.url}/v1/images/c/n:t`)
    await gate.arrived()
    gate.open()
    const { status, body, headers } = await asking
    expect(status).toBe(200)
    expect(headers['content-type']).toBe('application/json')
    expect(JSON.parse(body.toString()).data).toMatchObject({ hash: sha256(bytes), size: bytes.length, id: '1' })
  })
})

describe('an image that is not here yet', () => {
  test('flows through while it comes in, with its length', async () => {
    await using world = await createLibraryWorld({ library: { kind: 'hinkskalle' } })
    world.library.push('e/c/n:t', bytes)
    const gate = world.library.hold({ path: '/imagefile/' })
    const opening = open(`${world.house.url}/v1/imagefile/e/c/n:t`)
    gate.release(3 * MiB)
    const reply = await opening
    expect(reply.status).toBe(200)
    expect(reply.headers['content-length']).toBe(String(bytes.length))
    expect((await reply.atLeast(2 * MiB)).subarray(0, MiB).equals(bytes.subarray(0, MiB))).toBe(true)
    gate.open()
    expect((await reply.rest()).end).toBe('clean')
  })

  test('has a length also where the upstream tells none', async () => {
    await using world = await createLibraryWorld({ library: { kind: 'hinkskalle', ranges: false } })
    world.library.push('e/c/n:t', bytes)
    world.library.fault({ path: '/imagefile/' }, { length: 'chunked' })
    const { headers, body } = await ask(`${world.house.url}/v1/imagefile/e/c/n:t`)
    expect(headers['content-length']).toBe(String(bytes.length))
    expect(body.equals(bytes)).toBe(true)
  })

  test('crosses the uplink once for fifty that pull it at the same time', async () => {
    await using world = await createLibraryWorld()
    world.library.push('e/c/n:t', bytes)
    const pulls = await Promise.all(Array.from({ length: 50 }, () => pullFromLibrary(world.house.url, 'e/c/n:t')))
    expect(pulls.map(({ why }) => why).filter(Boolean)).toEqual([])
    expect(world.library.transfers).toBe(1)
    expect(world.library.asked.filter((one) => one.includes('/v1/images/'))).toHaveLength(1)
  })

  test('crosses it once also where fifty wait for its hash', async () => {
    await using world = await createLibraryWorld({ library: { kind: 'sregistry' } })
    world.library.push('c/n:t', bytes, { hash: 'none' })
    const pulls = await Promise.all(Array.from({ length: 50 }, () => pullFromLibrary(world.house.url, 'c/n:t')))
    expect(pulls.map(({ why }) => why).filter(Boolean)).toEqual([])
    expect(world.library.transfers).toBe(1)
  })
})

describe('a name', () => {
  test('may have one, two or three parts, a base with a path, and slashes too many', async () => {
    await using world = await createLibraryWorld({ library: { basePath: '/lib/x' } })
    const { house, library } = world
    const small = seededBytes(100 * KiB, 'small')
    for (const name of ['n:latest', 'c/n:latest', 'e/c/n:latest', 'e/default/n:latest']) library.push(name, small)
    const paths = ['n', 'n:latest', 'c/n', 'e/c/n', 'e/c/n/', 'e//n', '/c/n', '%65/c/n']
    for (const path of paths) expect((await ask(`${house.url}/v1/images/${path}?arch=amd64`)).status, path).toBe(200)
    for (const base of ['/library/lab', '/library/lab/', '//library/lab', '/', '/library//lab/'])
      expect((await pullFromLibrary(house.url + base, 'e/c/n:latest')).why, base).toBeUndefined()
  })

  test('takes an architecture as Go names it, also escaped as Singularity 3.7 does', async () => {
    await using world = await createLibraryWorld()
    const other = seededBytes(100 * KiB, 'arm')
    world.library.push('e/c/n:t', bytes)
    world.library.push('e/c/n:t', other, { arch: 'arm64' })
    const hashFor = async (query: string) => {
      const { status, body } = await ask(`${world.house.url}/v1/images/e/c/n:t${query}`)
      return status === 200 ? JSON.parse(body.toString()).data.hash : status
    }
    expect(await hashFor('')).toBe(sha256(bytes))
    expect(await hashFor('?arch=amd64')).toBe(sha256(bytes))
    expect(await hashFor('?arch%3Damd64')).toBe(sha256(bytes))
    expect(await hashFor('?arch=arm64')).toBe(sha256(other))
    expect(await hashFor('?arch=s390x')).toBe(404)
    expect(await hashFor('?arch=../x')).toBe(400)
    expect((await pullFromLibrary(world.house.url, 'e/c/n:t', { arch: 'arm64' })).bytes?.equals(other)).toBe(true)
    // The first three are one question.
    expect(world.library.asked.filter((one) => one.includes('/images/'))).toEqual([
      'GET /v1/images/e/c/n:t?arch=amd64',
      'GET /v1/images/e/c/n:t?arch=arm64',
      'GET /v1/images/e/c/n:t?arch=s390x',
    ])
  })

  test('with the architecture of another image is not there, whatever an old server says', async () => {
    await using world = await createLibraryWorld()
    world.library.push('e/c/n:t', bytes, { arch: 'arm64', more: { arch: 'amd64' } })
    expect((await ask(`${world.house.url}/v1/images/e/c/n:t?arch=arm64`)).status).toBe(404)
  })

  test('with a hash for a tag never takes asking, once the image was here or was told of', async () => {
    await using world = await createLibraryWorld({ settings: { freshFor: '1s' } })
    const { house, library } = world
    library.push('e/c/n:t', bytes)
    const pointer = sha256(bytes)
    await ask(`${house.url}/v1/images/e/c/n:t`)
    const before = library.asked.length
    expect((await ask(`${house.url}/v1/images/e/c/n:${pointer}`)).status).toBe(200)
    expect(library.asked.length).toBe(before)
    expect((await pullFromLibrary(house.url, `e/c/n:${pointer}`)).bytes?.equals(bytes)).toBe(true)
    await world.stored('e/c/n:t')
    await library.refuse()
    expect((await pullFromLibrary(house.url, `e/c/n:${pointer}`)).bytes?.equals(bytes)).toBe(true)
    // Another repository is not known to have it, but what everybody may have there everybody may have here.
    expect((await pullFromLibrary(house.url, `x/y/z:${pointer}`)).bytes?.equals(bytes)).toBe(true)
  })

  test('with the hash of something unknown is asked for', async () => {
    await using world = await createLibraryWorld()
    world.library.push('e/c/n:t', bytes)
    expect((await pullFromLibrary(world.house.url, `e/c/n:${sha256(bytes)}`)).bytes?.equals(bytes)).toBe(true)
    expect((await ask(`${world.house.url}/v1/images/e/c/n:sha256.${'0'.repeat(64)}`)).status).toBe(404)
  })

  test.each([
    ['e/c/n@sha256:0123', 404],
    ['e/c/n:a,b', 400],
    ['a/b/c/d', 400],
    ['e/c%2fd/n', 400],
    ['', 400],
  ])('like %j is answered %i, and nobody is asked', async (name, status) => {
    await using world = await createLibraryWorld()
    const reply = await ask(`${world.house.url}/v1/images/${name}?arch=amd64`)
    expect(reply.status).toBe(status)
    expect(JSON.parse(reply.body.toString()).error).toMatchObject({ code: status, message: expect.any(String) })
    expect(world.library.asked).toEqual([])
  })

  test('may be of any upstream that is a library, and of no other', async () => {
    await using world = await createLibraryWorld()
    world.library.push('e/c/n:t', bytes)
    expect((await ask(`${world.house.url}/library/lab/v1/images/e/c/n:t`)).status).toBe(200)
    expect((await ask(`${world.house.url}/library/nowhere/v1/images/e/c/n:t`)).status).toBe(404)
    expect((await ask(`${world.house.url}/library/lab/v2/images/e/c/n:t`)).status).toBe(404)
    expect((await ask(`${world.house.url}/library/lab`)).status).toBe(404)
  })
})

test('credentials go to the library, and not to where it redirects', async () => {
  const env = { LIBRARY_TOKEN: 'site-token-0815' }
  await using world = await createLibraryWorld({
    library: { token: env.LIBRARY_TOKEN },
    settings: { credentials: { token: { env: 'LIBRARY_TOKEN' } } },
    house: { env },
  })
  world.library.push('e/c/n:t', bytes)
  const headers = { authorization: 'Bearer of-the-client' }
  expect((await pullFromLibrary(world.house.url, 'e/c/n:t', { headers })).why).toBeUndefined()
  expect([...new Set(world.library.authorizations.map(({ on, value }) => `${on} ${value}`))]).toEqual([
    'library Bearer site-token-0815',
  ])
})

test('writing is refused in the form that clients read', async () => {
  await using world = await createLibraryWorld()
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    const reply = await ask(`${world.house.url}/v1/images/e/c/n:t`, { method })
    expect([reply.status, reply.headers.allow]).toEqual([405, 'GET, HEAD'])
    expect(JSON.parse(reply.body.toString()).error.message).toContain('read-only')
  }
  expect(world.library.asked).toEqual([])
})
