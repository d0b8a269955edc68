import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { type AccessWorld, basic, createAccessWorld, passwords } from '../kit/access-world.ts'
import { ask, errorCodes, open, type Reply } from '../kit/ask.ts'
import { blob, seededBytes } from '../kit/blobs.ts'
import { type Image, image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createRecordedLog } from '../kit/recorded-log.ts'

expectNoLeaks()

const guarded = {
  rules: [
    { repositories: ['*private*'], users: ['alice'], allow: 'pull' },
    { repositories: ['*private*'], allow: 'none' },
  ],
}

/** The same things twice: what alice alone may read, and what everybody may. */
function fill({ lab, data, sy, hub, pages }: AccessWorld, place: string): Image {
  const tool = image({ seed: place, layers: [3000] })
  lab.push(`${place}/tool`, tool, 'v1')
  data.put(`${place}/a.bin`, Buffer.alloc(5000, place))
  const sif = seededBytes(30_000, place)
  sy.push(`team/${place}/box:v1`, sif)
  hub.push(`${place}/box:v1`, sif)
  pages.push(`${place}/box:v1`, sif)
  return tool
}

function doorsOf(place: string, { manifest, blobs }: Image): readonly string[] {
  return [
    `/v2/lab.example/${place}/tool/manifests/v1`,
    `/v2/${place}/tool/manifests/${manifest.digest}`,
    `/v2/lab.example/${place}/tool/blobs/${blobs[1]!.digest}`,
    `/v2/lab.example/${place}/tool/tags/list`,
    `/v2/lab.example/${place}/tool/referrers/${manifest.digest}`,
    `/metalink/lab.example/${place}/tool:v1.meta4`,
    `/files/data/${place}/a.bin`,
    `/files/data/${place}/a.bin.meta4`,
    `/v1/images/team/${place}/box:v1`,
    `/library/sy/v1/imagefile/team/${place}/box:v1`,
    `/api/container/${place}/box:v1`,
    `/shub/hub/image/${place}/box:v1`,
    `/static/pages/${place}/box/manifests/v1/`,
    `/static/pages/${place}/box/blobs/v1`,
  ]
}

const byDigest = ({ blobs }: Image) => ['', '.meta4'].map((ending) => `/blobs/${blobs[1]!.digest.replace(':', '/')}${ending}`)

async function statuses(world: AccessWorld, who: Parameters<AccessWorld['as']>[0], paths: readonly string[], method?: 'HEAD') {
  const found: Record<string, number> = {}
  for (const path of paths) found[path] = (await world.as(who, path, method)).status
  return found
}

/** What there is to say of a file is known a moment after its last byte has left. */
async function bringIn(world: AccessWorld, who: 'alice' | undefined, paths: readonly string[]): Promise<void> {
  for (const path of paths) await until(async () => (await world.as(who, path)).status === 200)
}

const all = (paths: readonly string[], status: number) => Object.fromEntries(paths.map((path) => [path, status]))

describe('what only some may read', () => {
  test('is refused to others at every door, cold and warm, and no upstream is asked for them', async () => {
    await using world = await createAccessWorld(guarded)
    const tool = fill(world, 'private')
    const doors = doorsOf('private', tool)
    const refused = async () => {
      for (const method of [undefined, 'HEAD'] as const) {
        expect(await statuses(world, undefined, doors, method)).toEqual(all(doors, 401))
        expect(await statuses(world, 'bob', doors, method)).toEqual(all(doors, 403))
      }
      // By a digest alone nobody learns whether it is there.
      expect(await statuses(world, undefined, byDigest(tool))).toEqual(all(byDigest(tool), 401))
      expect(await statuses(world, 'bob', byDigest(tool))).toEqual(all(byDigest(tool), 403))
    }
    await refused()
    expect([world.lab.requests.length, world.data.asked().length, world.sy.asked.length]).toEqual([0, 0, 0])
    await bringIn(world, 'alice', [...doors, ...byDigest(tool)])
    for (let turn = 0; turn < 2; turn++) expect(await statuses(world, 'alice', doors)).toEqual(all(doors, 200))
    expect(await statuses(world, 'alice', byDigest(tool))).toEqual(all(byDigest(tool), 200))
    await refused()
    const asked = world.lab.requests.length
    expect(await statuses(world, 'alice', doors.slice(0, 3))).toEqual(all(doors.slice(0, 3), 200))
    expect(world.lab.requests).toHaveLength(asked)
  })

  test('is no burden on the rest, which stays open', async () => {
    await using world = await createAccessWorld(guarded)
    const tool = fill(world, 'public')
    const doors = doorsOf('public', tool)
    await bringIn(world, undefined, [...doors, ...byDigest(tool)])
    for (const who of [undefined, 'bob'] as const) expect(await statuses(world, who, doors)).toEqual(all(doors, 200))
    expect(await statuses(world, undefined, byDigest(tool))).toEqual(all(byDigest(tool), 200))
  })

  test('is told apart at the door, where many clients decide whether they log in', async () => {
    await using world = await createAccessWorld(guarded)
    const { token } = await world.tokens.issue('ci', undefined)
    const [tool, open] = [fill(world, 'private'), fill(world, 'public')]
    const ping = await world.as(undefined, '/v2/')
    const challenge = `Bearer realm="${world.house.url}/token",service="${world.house.host}"`
    expect([ping.status, ping.headers['www-authenticate'], errorCodes(ping)]).toEqual([401, challenge, ['UNAUTHORIZED']])

    const ticket = async (...how: [who?: 'alice' | 'bob']) => {
      const reply = await world.as(how[0], `/token?service=${world.house.host}&scope=repository:lab.example/private/tool:pull`)
      expect([reply.status, reply.headers['cache-control']]).toEqual([200, 'no-store'])
      const { token, expires_in } = JSON.parse(reply.body.toString()) as { token: string; expires_in: number }
      expect(expires_in).toBe(300)
      return { token }
    }
    const privately = `/v2/private/tool/manifests/${tool.manifest.digest}`
    const openly = `/v2/public/tool/manifests/${open.manifest.digest}`
    const [alices, bobs, nobodys] = [await ticket('alice'), await ticket('bob'), await ticket()]
    const found = async (who: { token: string }) => statuses(world, who, ['/v2/', privately, openly])
    expect(await found(alices)).toEqual({ '/v2/': 200, [privately]: 200, [openly]: 200 })
    expect(await found(bobs)).toEqual({ '/v2/': 200, [privately]: 403, [openly]: 200 })
    expect(await found(nobodys)).toEqual({ '/v2/': 200, [privately]: 401, [openly]: 200 })
    const changed = { token: `${alices.token.slice(0, -6)}AAAAAA` }
    expect(await found(changed)).toEqual({ '/v2/': 401, [privately]: 401, [openly]: 401 })

    const wrong = { headers: { authorization: basic('alice', 'not-her-password') } }
    expect((await ask(`${world.house.url}/token`, wrong)).status).toBe(401)
    await until(async () => (await world.as({ token }, '/v2/')).status === 200)
    expect((await ask(`${world.house.url}/token`, { headers: { authorization: basic('any', token) } })).status).toBe(200)
    expect((await ask(`${world.house.url}/token`, { method: 'POST', body: 'grant_type=password' })).status).toBe(405)
  })

  test('a server that is all open, or all closed, hands out no tokens of that kind', async () => {
    for (const access of [{}, { anonymous: 'none' }]) {
      await using world = await createAccessWorld(access)
      expect((await world.as('alice', '/token')).status).toBe(404)
      expect((await world.as('alice', '/v2/')).status).toBe(200)
    }
  })

  test('is in no list that others get', async () => {
    await using world = await createAccessWorld(guarded)
    fill(world, 'private')
    fill(world, 'public')
    for (const place of ['private', 'public']) await world.as('alice', `/v2/lab.example/${place}/tool/manifests/v1`)
    const names = async (who: 'alice' | 'bob' | undefined, query = '') =>
      (JSON.parse((await world.as(who, `/v2/_catalog${query}`)).body.toString()) as { repositories: string[] }).repositories
    expect(await names('alice')).toEqual(['lab.example/private/tool', 'lab.example/public/tool'])
    for (const who of [undefined, 'bob'] as const) {
      expect(await names(who)).toEqual(['lab.example/public/tool'])
      expect(await names(who, '?n=1')).toEqual(['lab.example/public/tool'])
      expect((await world.as(who, '/v1/search?value=box')).status).toBe(who ? 403 : 401)
      expect((await world.as(who, '/v1/containers/team/private/box')).status).toBe(who ? 403 : 401)
    }
  })

  test('is not to be had by its digest through a repository that is open', async () => {
    await using world = await createAccessWorld(guarded)
    const tool = fill(world, 'private')
    fill(world, 'public')
    const { digest } = tool.blobs[1]!
    expect((await world.as('alice', `/v2/private/tool/blobs/${digest}`)).status).toBe(200)
    expect((await world.as('bob', `/v2/public/tool/blobs/${digest}`)).status).toBe(404)
    expect((await world.as(undefined, `/v2/public/tool/manifests/${tool.manifest.digest}`)).status).toBe(404)
  })

  test('is not for caches that others share', async () => {
    await using world = await createAccessWorld(guarded)
    const tool = fill(world, 'private')
    for (const path of [`/v2/private/tool/blobs/${tool.blobs[1]!.digest}`, `${byDigest(tool)[1]}`])
      expect((await world.as('alice', path)).headers['cache-control']).toContain('private')
  })
})

describe('who gives no name', () => {
  const closed = { anonymous: 'none', admins: ['ops'] }

  test('is asked for one in the words of each protocol, where nothing is open', async () => {
    await using world = await createAccessWorld(closed)
    const refused: Readonly<Record<string, (reply: Reply) => unknown>> = {
      '/v2/': errorCodes,
      '/v2/any/thing/manifests/v1': errorCodes,
      '/v1/images/a/b/c:d': ({ body }) => [JSON.parse(body.toString()).error.code],
      '/nowhere': errorCodes,
    }
    for (const [path, reason] of Object.entries(refused)) {
      const reply = await world.as(undefined, path)
      expect([path, reply.status, reply.headers['www-authenticate']]).toEqual([path, 401, 'Basic realm="forebay"'])
      expect(reason(reply)).toEqual([path.startsWith('/v1') ? 401 : 'UNAUTHORIZED'])
    }
    expect((await world.as('bob', '/v2/')).status).toBe(200)
    expect((await world.as(undefined, '/assets/config/config.prod.json')).status).toBe(200)
    expect((await world.as(undefined, '/healthz')).status).toBe(200)
  })

  test('reads no figures; of those who give one only admins do', async () => {
    await using world = await createAccessWorld(closed)
    const found = [undefined, 'bob', 'ops'] as const
    expect(await Promise.all(found.map(async (who) => (await world.as(who, '/metrics')).status))).toEqual([401, 403, 200])
  })
})

describe('tokens', () => {
  test('act in their name, as Bearer tokens and as passwords, until they are revoked', async () => {
    await using world = await createAccessWorld(guarded)
    const tool = fill(world, 'private')
    const path = `/v2/private/tool/manifests/${tool.manifest.digest}`
    const { token, id } = await world.tokens.issue('alice', undefined)
    await until(async () => (await world.as({ token }, path)).status === 200)
    const asPassword = { headers: { authorization: basic('whoever', token) } }
    expect((await ask(world.house.url + path, asPassword)).status).toBe(200)
    expect((await world.as({ token }, '/auth/v1/token-status')).status).toBe(200)
    await world.tokens.revoke(id)
    await until(async () => (await world.as({ token }, path)).status === 401)
    expect((await ask(world.house.url + path, asPassword)).status).toBe(401)
    // To apptainer that is the one answer that means a wrong token.
    expect((await world.as({ token }, '/auth/v1/token-status')).status).toBe(404)
  })
})

describe('passwords', () => {
  test('are changed under running downloads, which go on; a broken file changes nothing', async () => {
    const log = createRecordedLog()
    await using world = await createAccessWorld({ anonymous: 'none' }, log)
    const large = blob(3 * 1024 * 1024, 'large')
    world.lab.pushBlob('team/tool', large)
    const path = `/v2/team/tool/blobs/${large.digest}`
    const gate = world.lab.hold({ path: `/v2/team/tool/blobs/${large.digest}`, method: 'GET' })
    const download = open(world.house.url + path, { headers: { authorization: basic('bob', passwords.bob) } })
    await world.lab.seen({ path: `/v2/team/tool/blobs/${large.digest}`, method: 'GET' })
    await world.writeUsers({ ...passwords, bob: 'another-one-45' })
    await until(async () => (await world.as('bob', '/v2/')).status === 401)
    gate.open()
    expect((await (await download).rest()).sha256).toBe(large.digest)
    expect((await ask(`${world.house.url}/v2/`, { headers: { authorization: basic('bob', 'another-one-45') } })).status).toBe(200)
    await world.writeUsers({ 'br:oken': 'x' })
    await until(async () => log.lines.some(({ event, level }) => event === 'access.users' && level === 'warn'))
    expect((await world.as('alice', '/v2/')).status).toBe(200)
    const told = JSON.stringify(log.lines)
    for (const secret of [...Object.values(passwords), 'another-one-45', '$2']) expect(told).not.toContain(secret)
    expect(JSON.stringify(world.lab.requests)).not.toContain(basic('bob', passwords.bob))
  })

  test('are guessed ten times, and whoever goes on is told to wait', async () => {
    await using world = await createAccessWorld({ anonymous: 'none' })
    expect((await world.as('alice', '/v2/')).status).toBe(200)
    const guess = async (at: number) =>
      ask(`${world.house.url}/v2/`, { headers: { authorization: basic(at % 2 ? 'bob' : 'mallory', `guess-${at}`) } })
    const replies = await Promise.all(Array.from({ length: 25 }, (_, at) => guess(at)))
    const count = (status: number) => replies.filter((reply) => reply.status === status).length
    expect([count(401), count(429)]).toEqual([10, 15])
    expect(Number((await guess(99)).headers['retry-after'])).toBeGreaterThan(0)
    expect((await world.as('alice', '/v2/')).status).toBe(200)
  })
})

test('from elsewhere nobody comes in, but for those who look whether it lives', async () => {
  await using world = await createAccessWorld({ networks: ['192.0.2.0/24'] })
  const paths = ['/v2/', '/files/data/a', '/metrics', '/']
  expect(await statuses(world, 'alice', paths)).toEqual(all(paths, 403))
  expect((await world.as(undefined, '/healthz')).status).toBe(200)
})

test('where everybody may read everything, what clients show is not looked at', async () => {
  await using world = await createAccessWorld({})
  expect((await world.as({ token: 'meant-for-another' }, '/v2/')).status).toBe(200)
  expect((await world.as(undefined, '/metrics')).status).toBe(200)
})

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; !(await isSo()); await sleep(100)) if (Date.now() > end) throw new Error('it never came')
}
