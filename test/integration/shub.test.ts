import { describe, expect, test } from 'vitest'
import { ask, open, type Reply } from '../kit/ask.ts'
import { digestOfBytes, KiB, MiB, seededBytes } from '../kit/blobs.ts'
import { createCanary } from '../kit/canary.ts'
import { blobsOn, spoolsOn, until, untilHeld, wrongBlobsOn } from '../kit/disk.ts'
import { createHandClock } from '../kit/hand-clock.ts'
import type { House } from '../kit/house.ts'
import { createHurriedClock } from '../kit/hurried-clock.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createLoggedShubWorld, createShubWorld, type Manifest, manifestOf, pull, type ShubWorld } from '../kit/shub-world.ts'

expectNoLeaks()

const small = seededBytes(300 * KiB, 'shub small')
const large = seededBytes(3 * MiB, 'shub large')
const other = seededBytes(2 * MiB, 'shub other')
const name = 'Lab/tool:v1'
const sha = (bytes: Uint8Array) => `sha256.${digestOfBytes(bytes).slice('sha256:'.length)}`
const held = (house: Pick<House, 'storePath'>, bytes: Uint8Array) => untilHeld(house.storePath, digestOfBytes(bytes))

/** What a client that compares no hash ends with. */
async function pulled(world: ShubWorld, reference = name): Promise<Reply> {
  return (await pull(world, reference)).image
}

describe('an image of a shub registry', () => {
  test.each([
    ['that tells an md5', { version: 'md5' }],
    ['that tells a sha256', { version: 'sha256' }],
    ['that tells nothing of the bytes', { version: 'none' }],
    ['that tells nothing, and has no ETags', { version: 'none', etag: false }],
    ['that tells a commit besides', { commit: '0123456789abcdef0123456789abcdef01234567' }],
    ['at a secret URL that redirects', { place: 'secret' }],
    ['at a URL for everybody', { place: 'plain', version: 'none' }],
  ] as const)('%s is given whole, kept, and given again without asking for it', async (_, options) => {
    await using world = await createShubWorld()
    world.shub.push(name, large, options)
    const cold = await pull(world, name)
    expect([cold.image.status, cold.image.end, cold.image.sha256]).toEqual([200, 'clean', digestOfBytes(large)])
    expect(cold.image.headers['content-length']).toBe(String(large.length))
    await held(world.house, large)
    await until(async () => (await pull(world, name)).manifest.version === sha(large), 'the sha256 in the manifest')

    const warm = await pull(world, name)
    expect(warm.image.sha256).toBe(digestOfBytes(large))
    expect(warm.manifest.image).toBe(`${world.house.url}/blobs/sha256/${digestOfBytes(large).slice(7)}`)
    expect(warm.manifest.commit).toBe(cold.manifest.commit)
    expect(world.shub.bodies).toBe(1)
    expect([await blobsOn(world.house.storePath), await wrongBlobsOn(world.house.storePath)]).toEqual([
      [digestOfBytes(large)],
      [],
    ])
  })

  test('is told of at once while it is not here, in all that clients read, and by URLs of ours alone', async () => {
    await using world = await createShubWorld()
    world.shub.push(name, large)
    const { manifest } = await manifestOf(world, name)
    expect(world.shub.bodies).toBe(0)
    expect(manifest).toEqual({
      id: '1',
      collection: 'Lab',
      name: 'tool',
      tag: 'v1',
      version: digestOfBytes(large, 'md5').slice('md5:'.length),
      frozen: false,
      add_date: '2018-03-04T12:00:00.000Z',
      image: `${world.house.url}/shub/hub/image/Lab/tool:v1?commit=${manifest.commit}`,
      commit: expect.stringMatching(/^[0-9a-f]{40}$/),
    })
  })

  test('answers HEAD directly, cold and warm, and brings nothing in for it', async () => {
    await using world = await createShubWorld()
    world.shub.push(name, small, { version: 'none' })
    const { manifest } = await manifestOf(world, name)
    const head = await ask(manifest.image, { method: 'HEAD' })
    expect([head.status, head.headers['content-length'], world.shub.bodies]).toEqual([200, String(small.length), 0])
    await pulled(world)
    await held(world.house, small)
    const warm = await ask((await pull(world, name)).manifest.image, { method: 'HEAD' })
    expect([warm.status, warm.headers['content-length']]).toEqual([200, String(small.length)])
  })

  test('is given while the registry is gone, once it is here', async () => {
    await using world = await createShubWorld({ settings: { freshFor: '1s' } })
    world.shub.push(name, small)
    expect((await pulled(world)).status).toBe(200)
    await held(world.house, small)
    await world.shub.refuse()
    await new Promise((go) => setTimeout(go, 1_050))
    const { reply, image } = await pull(world, name)
    expect([image.status, image.sha256]).toEqual([200, digestOfBytes(small)])
    expect(reply.headers.warning).toMatch(/served stale/)
  })

  test('is fetched once for many who ask at once', async () => {
    await using world = await createShubWorld()
    world.shub.push(name, large)
    const gate = world.shub.hold({ on: 'cdn' })
    const replies = Array.from({ length: 12 }, () => pulled(world))
    await gate.arrived()
    await world.house.requestsOpen(12)
    gate.open()
    for (const { status, sha256 } of await Promise.all(replies)) expect([status, sha256]).toEqual([200, digestOfBytes(large)])
    expect(world.shub.bodies).toBe(1)
  })

  test('that is nowhere is 404, in the words of the API', async () => {
    await using world = await createShubWorld()
    for (const path of ['/api/container/Lab/none:v1', '/shub/hub/api/container/Lab/none', '/shub/hub/image/Lab/none:v1']) {
      const reply = await ask(world.house.url + path)
      expect([reply.status, JSON.parse(reply.body.toString())]).toEqual([404, { detail: expect.stringContaining('Lab/none') }])
    }
    expect((await ask(`${world.house.url}/shub/nobody/api/container/Lab/tool`)).status).toBe(404)
  })

  test('has no length only upstream: here it is waited for', async () => {
    await using world = await createShubWorld()
    world.shub.push(name, large)
    world.shub.fault({ on: 'cdn' }, { length: 'chunked' })
    const image = await pulled(world)
    expect([image.status, image.headers['content-length'], image.sha256]).toEqual([
      200,
      String(large.length),
      digestOfBytes(large),
    ])
  })

  test('may be asked for in the ways that paths are written', async () => {
    await using world = await createShubWorld()
    world.shub.push('Lab/tool:latest', small)
    const commit = '0123456789abcdef0123456789abcdef01234567'
    for (const path of ['Lab/tool', 'Lab/tool:latest', 'Lab//tool/', '/Lab/tool', `Lab/tool@${commit}`, 'Lab/t%6Fol%3Alatest']) {
      const reply = await ask(`${world.house.url}/shub/hub/api/container/${path}`)
      expect([path, reply.status]).toEqual([path, 200])
    }
    for (const path of ['Lab', 'Lab/tool/deeper', 'Lab/..', 'Lab/tool:.x', 'Lab/tool@master', 'Lab/%2e%2e%2fx'])
      expect([path, (await ask(`${world.house.url}/api/container/${path}`)).status]).toEqual([path, 400])
  })

  test('is found under the spelling it is held by, where all is asked for in lower case', async () => {
    await using world = await createShubWorld()
    world.shub.push('GodloveD/lolcow:Latest', small)
    expect((await pulled(world, 'godloved/lolcow:latest').catch(() => undefined))?.status).not.toBe(200)
    await pulled(world, 'GodloveD/lolcow:Latest')
    await held(world.house, small)
    await until(async () => (await ask(`${world.api}/container/godloved/lolcow:latest`)).status === 200, 'the other spelling')
    const { manifest, image } = await pull(world, 'godloved/lolcow:latest')
    expect([manifest.collection, manifest.tag, image.sha256]).toEqual(['GodloveD', 'Latest', digestOfBytes(small)])
  })
})

describe('the commit of an image', () => {
  const commit = '0123456789abcdef0123456789abcdef01234567'

  test('is another one for each image, also where the registry has one for several', async () => {
    await using world = await createShubWorld()
    world.shub.push('Lab/tool:v1', small, { commit })
    world.shub.push('Lab/tool:v2', large, { commit })
    world.shub.push('Lab/other:v1', large, { commit, version: 'none' })
    const all = await Promise.all(['Lab/tool:v1', 'Lab/tool:v2', 'Lab/other:v1'].map((one) => pull(world, one)))
    expect(all.map(({ image }) => image.sha256)).toEqual([small, large, large].map((bytes) => digestOfBytes(bytes)))
    expect(new Set(all.map(({ manifest }) => manifest.commit)).size).toBe(3)
  })

  test.each([
    ['md5', {}],
    ['sha256', { version: 'sha256' }],
    ['nothing but an ETag', { version: 'none', path: '/bucket/same.sif' }],
    ['nothing at all', { version: 'none', path: '/bucket/same.sif', etag: false }],
  ] as const)('moves with the bytes behind a name: %s', async (_, options) => {
    const clock = createHandClock()
    await using world = await createShubWorld({ clock })
    world.shub.push(name, small, { commit, ...options })
    const before = await pull(world, name)
    world.shub.push(name, large, { commit, ...options })
    await clock.advance(11 * 60_000)
    const after = await pull(world, name)
    expect([before.image.sha256, after.image.sha256]).toEqual([digestOfBytes(small), digestOfBytes(large)])
    expect(after.manifest.commit).not.toBe(before.manifest.commit)
  })

  test.each(['md5', 'sha256', 'none'] as const)(
    'stays while the bytes do, however often it is asked for: %s',
    async (version) => {
      const clock = createHandClock()
      await using world = await createShubWorld({ clock })
      world.shub.push(name, small, { version })
      const commits = new Set<string>()
      for (let times = 0; times < 3; times++) {
        commits.add((await pull(world, name)).manifest.commit)
        await held(world.house, small)
        await clock.advance(11 * 60_000)
      }
      expect(commits.size).toBe(1)
      expect(world.shub.bodies).toBe(1)
    },
  )

  test('stays when the registry gets to know the sha256 of what is here', async () => {
    const clock = createHandClock()
    await using world = await createShubWorld({ clock })
    world.shub.push(name, small)
    const before = await pull(world, name)
    await held(world.house, small)
    await until(async () => (await pull(world, name)).manifest.version === sha(small), 'the sha256 in the manifest')
    world.shub.push(name, small, { version: 'sha256' })
    await clock.advance(11 * 60_000)
    const after = await pull(world, name)
    expect([after.manifest.commit, after.manifest.version]).toEqual([before.manifest.commit, sha(small)])
    expect(world.shub.bodies).toBe(1)
  })

  test('stays over a restart', async () => {
    await using world = await createShubWorld()
    world.shub.push(name, small)
    const before = await pull(world, name)
    await held(world.house, small)
    await world.restart()
    const after = await pull(world, name)
    expect([after.manifest.commit, after.image.sha256]).toEqual([before.manifest.commit, digestOfBytes(small)])
  })

  test('binds the image: what has moved since is not given under the old one', async () => {
    const clock = createHandClock()
    await using world = await createShubWorld({ clock })
    world.shub.push(name, small)
    const { manifest } = await manifestOf(world, name)
    world.shub.push(name, large)
    // The manifest was told a moment ago, and the registry says something else by now.
    const early = await ask(manifest.image)
    expect([early.status, early.sha256]).not.toEqual([200, digestOfBytes(large)])
    expect(early.status).toBeGreaterThanOrEqual(400)
    // Now it is known that it has moved.
    const next = await pull(world, name)
    expect(next.image.sha256).toBe(digestOfBytes(large))
    const late = await ask(manifest.image)
    expect([late.status, JSON.parse(late.body.toString()).detail]).toEqual([404, expect.stringContaining('when its manifest')])
    await held(world.house, large)
    expect(await blobsOn(world.house.storePath)).toEqual([digestOfBytes(large)])
  })
})

describe('a shub registry with faults', () => {
  async function expectNothing(world: ShubWorld): Promise<void> {
    expect([await blobsOn(world.house.storePath), await wrongBlobsOn(world.house.storePath)]).toEqual([[], []])
  }

  test.each([
    ['429 under status 200', { body: '429' }, 429],
    ['400 under status 200', { body: '400' }, 502],
    ['a page of HTML', { body: '<html>Service</html>' }, 502],
    ['an image that is no URL', { body: '{"image":"/containers/1"}' }, 502],
    ['403', { status: 403, body: '{"detail":"Authentication Required"}' }, 403],
    ['500', { status: 500 }, 502],
  ])('that answers %s is not believed', async (_, fault, status) => {
    await using world = await createShubWorld()
    world.shub.push(name, small)
    world.shub.fault({ on: 'registry' }, fault)
    const reply = await ask(`${world.api}/container/${name}`)
    expect([reply.status, typeof JSON.parse(reply.body.toString()).detail]).toEqual([status, 'string'])
    await expectNothing(world)
  })

  test('passes on why it refuses', async () => {
    await using world = await createShubWorld()
    world.shub.fault({ on: 'registry' }, { status: 403, body: '{"detail":"This collection is private"}' })
    expect((await ask(`${world.api}/container/${name}`)).body.toString()).toContain('This collection is private')
  })

  test.each([
    ['small', small],
    ['large', large],
  ])('whose md5 does not match: nobody gets the end of it, and nothing is kept: %s', async (_, bytes) => {
    await using world = await createShubWorld()
    world.shub.push(name, bytes, { version: digestOfBytes(Buffer.from('other'), 'md5').slice(4) })
    const { image, manifest } = await pull(world, name)
    if (bytes === small) expect(image.status).toBe(502)
    else expect([image.status, image.end, image.body.length < bytes.length]).toEqual([200, 'cut', true])
    expect(manifest.version).not.toMatch(/^sha256/)
    await until(async () => (await spoolsOn(world.house.storePath)).length === 0, 'no spool left')
    await expectNothing(world)
  })

  test.each([
    ['md5', {}],
    ['an ETag', { version: 'none' }],
  ] as const)('whose body breaks off is gone on with: %s', async (_, options) => {
    await using world = await createShubWorld()
    world.shub.push(name, large, options)
    world.shub.fault({ on: 'cdn', method: 'GET', nth: 'version' in options ? 2 : 1 }, { cutAfter: 1_500_000 })
    const image = await pulled(world)
    expect([image.status, image.end, image.sha256]).toEqual([200, 'clean', digestOfBytes(large)])
    // The first URL may have been good once only: the manifest was asked for again.
    expect(world.shub.count({ path: '/api/container/' })).toBe(3)
  })

  test('whose body always breaks off gives nobody a whole one', async () => {
    await using world = await createShubWorld()
    world.shub.push(name, large, { etag: false, version: 'none' })
    world.shub.fault({ on: 'cdn' }, { cutAfter: 1_500_000 })
    const image = await pulled(world)
    expect([image.end === 'cut' || image.status >= 500, image.body.length < large.length]).toEqual([true, true])
    await expectNothing(world)
  })

  test('whose URLs expire at once is asked for new ones', async () => {
    await using world = await createShubWorld()
    world.shub.push(name, small)
    const { manifest } = await manifestOf(world, name)
    world.shub.expireUrls()
    const image = await ask(manifest.image)
    expect([image.status, image.sha256]).toEqual([200, digestOfBytes(small)])
  })

  test('whose image is gone is told of without its URL, and what is here is given on', async () => {
    await using world = await createShubWorld({ settings: { freshFor: '1s' } })
    world.shub.push('Lab/gone:v1', large, { place: 'secret' })
    world.shub.push(name, small)
    await pulled(world)
    await held(world.house, small)
    world.shub.fault({ on: 'cdn' }, { status: 404, body: 'NoSuchKey' })
    const gone = await pulled(world, 'Lab/gone:v1')
    const { detail } = JSON.parse(gone.body.toString())
    expect([gone.status, detail]).toEqual([404, expect.stringContaining(`${world.shub.url}/api/container/Lab/gone:v1`)])
    expect(detail).toContain(`at ${world.shub.host}`)
    for (const secret of world.shub.secrets) expect(detail).not.toContain(secret)
    await new Promise((go) => setTimeout(go, 1_050))
    expect((await pulled(world)).sha256).toBe(digestOfBytes(small))
  })
})

describe('the place of an image', () => {
  test('gets no credentials of ours, nor of the client', async () => {
    const credentials = { token: { env: 'HUB_TOKEN' } }
    const token = 'S3cret-token'
    await using world = await createShubWorld({
      settings: { credentials },
      house: { env: { HUB_TOKEN: token } },
      shub: { token },
    })
    world.shub.push(name, small, { place: 'secret' })
    const headers = { authorization: 'Bearer of-the-client', cookie: 'session=of-the-client' }
    const { manifest } = await manifestOf(world, name, headers)
    expect((await ask(manifest.image, { headers })).sha256).toBe(digestOfBytes(small))
    expect(world.shub.sawAuthorization).toBe(false)
    for (const { headers } of world.shub.requests) expect(headers.authorization ?? '').not.toContain('of-the-client')
  })

  test.each(['none', 'md5', 'sha256'])('is not dialled where it is private and not in the settings: %s', async (version) => {
    await using canary = await createCanary()
    await using world = await createShubWorld({ house: { outbound: { allow: [] } } })
    const body = { image: `http://${canary.host}/x.sif`, name: 'tool', version: versionText(version) }
    world.shub.fault({ on: 'registry' }, { body: JSON.stringify(body) })
    const reply = await ask(`${world.api}/container/${name}`)
    const image = await ask(`${world.house.url}/shub/hub/image/${name}`)
    if (version === 'none') expect(reply.status).toBe(502)
    expect([image.status, JSON.parse(image.body.toString()).detail]).toEqual([502, expect.stringContaining('outbound.allow')])
    expect(canary.connections).toBe(0)
  })

  function versionText(version: string): string | undefined {
    if (version === 'none') return undefined
    return version === 'md5' ? digestOfBytes(small, 'md5').slice(4) : sha(small)
  }

  test('is in no answer, no log line and no file', async () => {
    await using world = await createLoggedShubWorld()
    const wrong = digestOfBytes(Buffer.from('other'), 'md5').slice('md5:'.length)
    world.shub.push(name, large, { place: 'path' })
    world.shub.push('Lab/bad:v1', large, { place: 'path', version: wrong })
    world.shub.push('Lab/unknown:v1', other, { place: 'secret', version: 'none' })
    world.shub.push('Lab/reset:v1', small, { place: 'path' })
    world.shub.fault({ path: /^\/for\//, on: 'cdn', method: 'GET', nth: 1 }, { cutAfter: 1_500_000 })
    const pulls = [await pull(world, name), await pull(world, 'Lab/bad:v1'), await pull(world, 'Lab/unknown:v1')]
    await held(world.house, large)
    await held(world.house, other)
    world.shub.fault({ on: 'cdn' }, { reset: true })
    pulls.push(await pull(world, 'Lab/reset:v1'))
    const told = pulls.flatMap(({ reply, image }) => [
      reply.body.toString('latin1'),
      JSON.stringify([reply.headers, image.headers]),
      image.status === 200 ? '' : image.body.toString('latin1'),
    ])
    const written = await world.written()
    expect(pulls.map(({ image }) => image.status)).toEqual([200, 200, 200, 502])
    for (const event of ['fill.source', 'fill.corrupt', 'source-cut']) expect(written.join('')).toContain(event)
    expect(world.shub.secrets.length).toBeGreaterThan(5)
    for (const secret of world.shub.secrets)
      expect([...told, ...written].filter((text) => text.includes(secret)).map((text) => text.slice(0, 500))).toEqual([])
  })
})

describe('what a client asks that searches', () => {
  test('is passed to a registry that can', async () => {
    await using world = await createShubWorld({ shub: { pageSize: 1 } })
    for (const one of ['Lab/tool:v1', 'Lab/tool:v2', 'other/tools:v1', 'third/thing:v1']) world.shub.push(one, small)
    const all = await json(world, 'collections/')
    expect(all.next).toBeNull()
    expect(all.results.map(({ name }: { name: string }) => name)).toEqual(['Lab', 'other', 'third'])
    expect(all.results[0].containers[0]).toMatchObject({ uri: 'Lab/tool:v1', detail: 'https://hub.example/containers/tool' })
    const found = await json(world, 'container/search/name/tool')
    expect(found.map(({ collection, name, tag }: Manifest) => `${collection}/${name}:${tag}`)).toEqual([
      'Lab/tool:v1',
      'Lab/tool:v2',
      'other/tools:v1',
    ])
    expect(await json(world, 'container/search/collection/other/name/tool')).toHaveLength(1)
  })

  test.each([
    ['has no search', { search: false }, async () => {}],
    ['is gone', {}, (world: ShubWorld) => world.shub.refuse()],
  ])('is answered from what is held where the registry %s', async (_, options, before) => {
    await using world = await createShubWorld({ shub: options, clock: createHurriedClock(20) })
    world.shub.push('Lab/tool:v1', small)
    world.shub.push('Lab/absent:v1', large)
    await pulled(world, 'Lab/tool:v1')
    await manifestOf(world, 'Lab/absent:v1')
    await held(world.house, small)
    await until(async () => (await pull(world, name)).manifest.version === sha(small), 'the name to know its bytes')
    await before(world)
    const entry = { uri: 'Lab/tool:v1', detail: '', name: 'tool', tag: 'v1' }
    expect((await json(world, 'collections/')).results).toEqual([{ id: 'Lab', name: 'Lab', containers: [entry] }])
    expect(await json(world, 'collection/lab')).toMatchObject({ name: 'Lab', containers: [entry] })
    expect(await json(world, 'collection/none')).toEqual({})
    expect(await json(world, 'container/search/collection/lab/name/too/tag/V1')).toEqual([
      { collection: 'Lab', name: 'tool', tag: 'v1', version: sha(small) },
    ])
    expect(await json(world, 'container/search/name/absent')).toEqual([])
    expect(await json(world, 'labels/search')).toEqual([])
  })

  test('of something else is 404', async () => {
    await using world = await createShubWorld()
    for (const path of ['', 'x', 'collections/x', 'labels'])
      expect([path, (await ask(`${world.api}/${path}`)).status]).toEqual([path, 404])
    const posted = await ask(`${world.api}/container/Lab/tool:v1`, { method: 'DELETE' })
    expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD'])
  })

  async function json(world: ShubWorld, path: string) {
    const reply = await ask(`${world.api}/${path}`)
    expect([path, reply.status, reply.headers['content-type']]).toEqual([path, 200, 'application/json'])
    return JSON.parse(reply.body.toString())
  }
})

test('a client that leaves early ends nothing for who comes next', async () => {
  await using world = await createShubWorld()
  world.shub.push(name, large)
  const gate = world.shub.hold({ on: 'cdn' })
  const { manifest } = await manifestOf(world, name)
  const first = open(manifest.image)
  await gate.arrived()
  gate.release(1_500_000)
  const early = await first
  await early.atLeast(1_000_000)
  early.leave()
  const second = ask(manifest.image)
  gate.open()
  expect((await second).sha256).toBe(digestOfBytes(large))
  expect(world.shub.bodies).toBe(1)
})
