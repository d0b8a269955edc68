import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { blob, KiB, MiB } from '../kit/blobs.ts'
import { untilHeld } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { createHandClock } from '../kit/hand-clock.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { duplicates, lines, readMetalink } from '../kit/metalink-reply.ts'
import { createMirroredWorld, type MirroredWorld } from '../kit/mirrored-world.ts'
import { deadPort } from '../kit/ports.ts'
import { createWorld } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(300 * KiB, 'listed')
const hex = layer.digest.slice('sha256:'.length)

/** The other places that the layer's metalink tells, in its order. */
async function listed(world: MirroredWorld): Promise<readonly string[]> {
  await ask(world.blob('lab/tool', layer.digest), { method: 'HEAD' })
  const { files } = readMetalink(await ask(world.meta4(layer.digest)), world.house.url)
  const [ours, ...others] = files[0]!.urls.map(({ url }) => url)
  expect(ours).toBe(`${world.house.url}/blobs/sha256/${hex}`)
  return others
}

/** The upstream wants a login, so that only mirrors can be listed. */
const withLogin = { upstream: { auth: { kind: 'bearer' as const } } }

describe('a mirror is told to clients', () => {
  test('when it holds the blob, and only then', async () => {
    await using world = await createMirroredWorld([{}, {}, {}, {}, {}], withLogin)
    const [holds, without, other, login, failing] = world.mirrors as Required<typeof world.mirrors>
    world.upstream.pushBlob('lab/tool', layer)
    for (const mirror of [holds!, login!, failing!]) mirror.pushBlob('lab/tool', layer)
    without!.pushBlob('lab/tool', blob(KiB, 'something else'))
    other!.pushBlob('lab/tool', { ...blob(301 * KiB, 'listed'), digest: layer.digest })
    login!.fault({}, { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } })
    failing!.fault({}, { status: 500 })
    await expect.poll(() => listed(world)).toEqual([world.at(0, layer.digest)])
    for (const mirror of world.mirrors) expect(mirror.count({ method: 'HEAD' })).toBe(1)
    for (const mirror of world.mirrors) expect(mirror.count({ method: 'GET' })).toBe(0)
  })

  test('not when nobody listens there', async () => {
    const dead = `http://127.0.0.1:${await deadPort()}`
    await using world = await createWorld({ settings: { mirrors: [{ url: dead }] } })
    world.upstream.pushBlob('lab/tool', layer)
    await ask(world.blob('lab/tool', layer.digest), { method: 'HEAD' })
    const { files, text } = readMetalink(await ask(`${world.house.url}/blobs/sha256/${hex}.meta4`), world.house.url)
    expect(text).not.toContain(dead)
    expect(files[0]!.urls).toHaveLength(2) // ours and the upstream's, which answers anybody
  })

  test('not when the settings say so, though it is fetched from', async () => {
    await using world = await createMirroredWorld([{ settings: { listed: false } }], withLogin)
    for (const place of [world.upstream, ...world.mirrors]) place.pushBlob('lab/tool', layer)
    expect(await listed(world)).toEqual([])
    expect((await ask(world.blob('lab/tool', layer.digest))).sha256).toBe(layer.digest)
    expect(world.mirrors[0]!.bodies(layer.digest)).toBe(1)
    expect(await listed(world)).toEqual([])
  })

  test('and the upstream with it only when that answers anybody', async () => {
    await using open = await createMirroredWorld([])
    open.upstream.pushBlob('lab/tool', layer)
    expect(await listed(open)).toEqual([`${open.upstream.url}/v2/lab/tool/blobs/${layer.digest}`])

    await using closed = await createMirroredWorld([], withLogin)
    closed.upstream.pushBlob('lab/tool', layer)
    expect(await listed(closed)).toEqual([])
  })

  test('and an upstream below a path with that path', async () => {
    await using world = await createMirroredWorld([], { upstream: { basePath: '/artifactory/docker' } })
    world.upstream.pushBlob('lab/tool', layer)
    const [url] = await listed(world)
    expect(url).toBe(`${world.upstream.url}/v2/lab/tool/blobs/${layer.digest}`)
    expect((await ask(url!)).sha256).toBe(layer.digest)
  })

  test('by priority, then site, then country, dense from 2 and in lower case', async () => {
    const settings = [
      { priority: 7, country: 'fr' },
      { priority: 7, country: 'de' },
      { priority: 7, country: 'us', site: 'hall-2' },
      { priority: 90 },
      { priority: 1, country: 'us' },
    ]
    const house = { more: { site: { name: 'hall-2', country: 'de' } } }
    await using world = await createMirroredWorld(
      settings.map((settings) => ({ settings })),
      { ...withLogin, house },
    )
    for (const place of [world.upstream, ...world.mirrors]) place.pushBlob('lab/tool', layer)
    await expect.poll(() => listed(world)).toEqual([4, 2, 1, 0, 3].map((at) => world.at(at, layer.digest)))
    const { files } = readMetalink(await ask(world.meta4(layer.digest)), world.house.url)
    expect(files[0]!.urls.map(({ priority }) => priority)).toEqual([1, 2, 3, 4, 5, 6])
    expect(files[0]!.urls.map(({ location }) => location)).toEqual([undefined, 'us', 'us', 'de', 'fr', undefined])
  })

  test('is asked once, however many documents and headers want to know', async () => {
    await using world = await createMirroredWorld([{}])
    for (const place of [world.upstream, ...world.mirrors]) place.pushBlob('lab/tool', layer)
    await ask(world.blob('lab/tool', layer.digest), { method: 'HEAD' })
    await Promise.all(Array.from({ length: 20 }, () => ask(world.meta4(layer.digest))))
    await ask(world.blob('lab/tool', layer.digest))
    expect(world.mirrors[0]!.count({ method: 'HEAD' })).toBe(1)
  })

  test('is not waited for longer than a moment', async () => {
    const clock = createHandClock()
    await using world = await createMirroredWorld([{}], { ...withLogin, clock })
    for (const place of [world.upstream, ...world.mirrors]) place.pushBlob('lab/tool', layer)
    const gate = world.mirrors[0]!.hold({})
    const told = listed(world)
    await gate.arrived()
    await clock.advance(2_500)
    expect(await told).toEqual([])
    gate.open()
    await expect.poll(() => listed(world)).toEqual([world.at(0, layer.digest)])
  })
})

describe('fields of a blob that mirrors hold', () => {
  const big = blob(5 * MiB, 'fields')
  const base64 = Buffer.from(big.digest.slice('sha256:'.length), 'hex').toString('base64')

  async function warm() {
    const world = await createMirroredWorld([{ settings: { country: 'de' } }, { settings: { country: 'us' } }])
    for (const place of [world.upstream, ...world.mirrors]) place.pushBlob('lab/tool', big)
    const url = world.blob('lab/tool', big.digest)
    expect((await ask(url)).sha256).toBe(big.digest)
    await untilHeld(world.house.storePath, big.digest)
    await expect.poll(async () => duplicates(await ask(url, { method: 'HEAD' })).length).toBe(3)
    return { world, url, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
  }

  test('are one Link line each, in the words that clients read', async () => {
    await using it = await warm()
    expect(lines(await ask(it.url, { method: 'HEAD' }), 'link')).toEqual([
      `<${it.world.house.url}/blobs/sha256/${big.digest.slice(7)}.meta4>; rel=describedby; type="application/metalink4+xml"`,
      `<${it.world.at(0, big.digest)}>; rel=duplicate; pri=1; geo=de`,
      `<${it.world.at(1, big.digest)}>; rel=duplicate; pri=2; geo=us`,
      `<${it.world.upstream.url}/v2/lab/tool/blobs/${big.digest}>; rel=duplicate; pri=3`,
    ])
  })

  test('are the same for HEAD, GET, a range, and the blob by its digest alone', async () => {
    await using it = await warm()
    const own = `${it.world.house.url}/blobs/sha256/${big.digest.slice(7)}`
    const replies = [
      await ask(it.url, { method: 'HEAD' }),
      await ask(it.url),
      await ask(it.url, { headers: { range: 'bytes=5-9' } }),
      await ask(it.url, { headers: { range: 'bytes=0-4,10-14' } }),
      await ask(own, { method: 'HEAD' }),
      await ask(own),
    ]
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 206, 206, 200, 200])
    const said = replies.map((reply) =>
      ['link', 'digest', 'repr-digest', 'etag', 'accept-ranges'].map((name) => lines(reply, name)),
    )
    for (const one of said) expect(one).toEqual(said[0])
    expect(said[0]!.slice(1)).toEqual([[`SHA-256=${base64}`], [`sha-256=:${base64}:`], [`"${big.digest}"`], ['bytes']])
  })

  test('lose a mirror that went down, and say nothing false when all have', async () => {
    await using it = await warm()
    for (const place of [it.world.upstream, ...it.world.mirrors]) await place.refuse()
    const others = Array.from({ length: 4 }, (_, at) => blob(KiB, `down ${at}`))
    // Questions for other blobs show that nobody is there.
    for (const other of others) it.world.upstream.pushBlob('lab/tool', other)
    await it.world.upstream.reopen()
    for (const other of others) {
      await ask(it.world.blob('lab/tool', other.digest), { method: 'HEAD' })
      await ask(it.world.meta4(other.digest))
    }
    await it.world.upstream.refuse()
    const left = async () => duplicates(await ask(it.url, { method: 'HEAD' }))
    await expect.poll(left).toEqual([`<${it.world.upstream.url}/v2/lab/tool/blobs/${big.digest}>; rel=duplicate; pri=1`])
    const { files } = readMetalink(await ask(it.world.meta4(big.digest)), it.world.house.url)
    expect(files[0]!.urls.map(({ priority }) => priority)).toEqual([1, 2])
  })

  test('and its document name us alone once all mirrors went down', async () => {
    await using world = await createMirroredWorld([{}, {}], withLogin)
    const others = Array.from({ length: 3 }, (_, at) => blob(KiB, `all down ${at}`))
    for (const place of [world.upstream, ...world.mirrors]) place.pushBlob('lab/tool', big, ...others)
    const url = world.blob('lab/tool', big.digest)
    expect((await ask(url)).sha256).toBe(big.digest)
    await ask(world.meta4(big.digest))
    await expect.poll(async () => duplicates(await ask(url, { method: 'HEAD' })).length).toBe(2)
    for (const mirror of world.mirrors) await mirror.refuse()
    // Questions for other blobs show that nobody is there.
    for (const { digest } of others) {
      await ask(world.blob('lab/tool', digest), { method: 'HEAD' })
      await ask(world.meta4(digest))
    }
    await expect.poll(async () => duplicates(await ask(url, { method: 'HEAD' }))).toEqual([])
    const { files } = readMetalink(await ask(world.meta4(big.digest)), world.house.url)
    const [hex] = big.digest.split(':').slice(1)
    expect(files[0]!.urls).toEqual([{ url: `${world.house.url}/blobs/sha256/${hex}`, priority: 1, location: undefined }])
  })

  test('have no duplicate where no place but us is known', async () => {
    await using world = await createMirroredWorld([], withLogin)
    world.upstream.pushBlob('lab/tool', big)
    const reply = await ask(world.blob('lab/tool', big.digest))
    expect(duplicates(reply)).toEqual([])
    expect(lines(reply, 'digest')).toEqual([`SHA-256=${base64}`])
  })
})

test('what a mirror is asked carries no credentials of ours or of the client, and nothing of them is told', async () => {
  const users = { robot: 'S3cret-password' }
  const upstream = { auth: { kind: 'basic' as const, users } }
  const settings = { credentials: { username: 'robot', password: { env: 'ROBOT_PASSWORD' } } }
  await using world = await createMirroredWorld([{}], { upstream, settings, house: { env: { ROBOT_PASSWORD: users.robot } } })
  for (const place of [world.upstream, ...world.mirrors]) place.pushBlob('lab/tool', layer)
  const headers = { authorization: 'Bearer of-the-client', cookie: 'session=of-the-client' }
  const document = async () => {
    await ask(world.blob('lab/tool', layer.digest), { method: 'HEAD', headers })
    return ask(world.meta4(layer.digest), { headers })
  }
  const text = (await document()).body.toString()
  const reply = await ask(world.blob('lab/tool', layer.digest), { headers })
  expect(reply.sha256).toBe(layer.digest)
  const [mirror] = world.mirrors
  expect([mirror!.count({ method: 'HEAD' }), mirror!.bodies(layer.digest)]).toEqual([1, 1])
  for (const { headers } of mirror!.requests)
    expect([headers.authorization, headers.cookie, headers['proxy-authorization']]).toEqual([undefined, undefined, undefined])
  expect(world.upstream.requests.some(({ headers }) => headers.authorization?.startsWith('Basic '))).toBe(true)
  expect(text + reply.rawHeaders.join()).not.toMatch(/S3cret|robot|of-the-client/)
})

test('a login that a mirror asks for is not answered, and the mirror is passed over', async () => {
  await using realm = await createFakeUpstream()
  await using world = await createMirroredWorld([{}])
  for (const place of [world.upstream, ...world.mirrors]) place.pushBlob('lab/tool', layer)
  const challenge = { 'www-authenticate': `Bearer realm="${realm.url}/token",service="x"` }
  world.mirrors[0]!.fault({}, { status: 401, headers: challenge })
  expect((await ask(world.blob('lab/tool', layer.digest))).sha256).toBe(layer.digest)
  expect(world.upstream.bodies(layer.digest)).toBe(1)
  expect(realm.requests).toEqual([])
})
