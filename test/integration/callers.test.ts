import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { hashSync } from 'bcryptjs'
import { describe, expect, test } from 'vitest'
import { ask, errorCodes, open, type Reply } from '../kit/ask.ts'
import { blob, seededBytes } from '../kit/blobs.ts'
import {
  basic,
  type CallerName,
  type CallersWorld,
  callers,
  callerTokens,
  createCallersWorld,
  privateRepository,
} from '../kit/callers-world.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { startHouseProcess } from '../kit/house-process.ts'
import { type Image, image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { tempFolder } from '../kit/temp-folder.ts'

expectNoLeaks()

function fill({ lab, data }: CallersWorld): Image {
  const tool = image({ seed: 'private', layers: [3000] })
  lab.push(privateRepository, tool, 'v1')
  data.put('private/a.bin', Buffer.alloc(5000, 'private'))
  return tool
}

/** What is asked with a password, and what names no upstream. */
const doorsOf = ({ manifest, blobs }: Image) => [
  `/v2/lab.example/${privateRepository}/manifests/v1`,
  `/v2/${privateRepository}/manifests/${manifest.digest}`,
  `/v2/lab.example/${privateRepository}/blobs/${blobs[1]!.digest}`,
  `/v2/lab.example/${privateRepository}/tags/list`,
  `/v2/lab.example/${privateRepository}/referrers/${manifest.digest}`,
  `/metalink/lab.example/${privateRepository}:v1.meta4`,
  `/metalink/lab.example/${privateRepository}@${manifest.digest}.meta4`,
]
const filesOf = ['/files/data/private/a.bin', '/files/data/private/a.bin.meta4']
const byDigest = ({ blobs }: Image) => ['', '.meta4', '.asc'].map((end) => `/blobs/${blobs[1]!.digest.replace(':', '/')}${end}`)

async function statuses(asking: (path: string) => Promise<Reply>, paths: readonly string[]) {
  const found: Record<string, number> = {}
  for (const path of paths) found[path] = (await asking(path)).status
  return found
}

const all = (paths: readonly string[], status: number) => Object.fromEntries(paths.map((path) => [path, status]))

async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 20_000; !(await isSo()); await sleep(50)) if (Date.now() > end) throw new Error('it never came')
}

/** What there is to say of a file is known a moment after its last byte has left. */
async function bringIn(world: CallersWorld, paths: readonly string[]): Promise<void> {
  for (const path of paths) await until(async () => (await world.as('carol', path)).status === 200)
}

describe('of an upstream that says itself who may read what', () => {
  test('each gets what that lets it have, at every door, cold and warm', async () => {
    await using world = await createCallersWorld()
    const tool = fill(world)
    const doors = doorsOf(tool)
    const refused = async () => {
      for (const method of ['GET', 'HEAD']) {
        const as = (who: CallerName | undefined) => (path: string) => world.as(who, path, { method })
        expect(await statuses(as(undefined), [...doors, ...filesOf])).toEqual(all([...doors, ...filesOf], 401))
        // The registry takes its token for no good, the web server says no.
        expect(await statuses(as('dave'), doors)).toEqual(all(doors, 401))
        expect(await statuses(as('dave'), filesOf)).toEqual(all(filesOf, 403))
        expect(await statuses(as(undefined), byDigest(tool))).toEqual(all(byDigest(tool), 401))
      }
      const reply = await world.as(undefined, doors[0]!)
      expect([reply.headers['www-authenticate'], errorCodes(reply)]).toEqual(['Basic realm="forebay"', ['UNAUTHORIZED']])
      expect((await world.as('dave', byDigest(tool)[0]!)).status).toBe(401)
    }
    await refused()
    expect([world.lab.bodies(tool.blobs[1]!.digest), world.data.bodiesOf('private/a.bin')]).toEqual([0, 0])
    const warm = [...doors, ...filesOf, ...byDigest(tool).slice(0, 2)]
    await bringIn(world, warm)
    expect(await statuses((path) => world.as('carol', path), warm)).toEqual(all(warm, 200))
    expect((await world.as('carol', doors[2]!)).sha256).toBe(tool.blobs[1]!.digest)
    await refused()
  })

  test('images of libraries and shub registries are theirs who show the token', async () => {
    await using world = await createCallersWorld()
    const sif = seededBytes(30_000, 'sif')
    world.sy.push('team/private/box:v1', sif)
    world.hub.push('private/box:v1', sif)
    const doors = [
      '/v1/images/team/private/box:v1',
      '/library/sy/v1/imagefile/team/private/box:v1',
      '/metalink/sy/team/private/box:v1.meta4',
      '/api/container/private/box:v1',
      '/shub/hub/image/private/box:v1',
    ]
    const refused = async () => {
      expect(await statuses((path) => world.byToken('dave', path), doors)).toEqual(all(doors, 401))
      expect(await statuses((path) => world.byToken(undefined, path), doors)).toEqual(all(doors, 401))
      for (const who of ['dave', undefined] as const) {
        expect((await world.byToken(who, '/v1/containers/team/private/box')).status).toBe(401)
        const found = await world.byToken(who, '/v1/search?value=box')
        expect([found.status, found.body.toString()]).toEqual([401, expect.not.stringContaining('private')])
      }
    }
    await refused()
    for (const path of doors) await until(async () => (await world.byToken('carol', path)).status === 200)
    await refused()
    const { location } = JSON.parse((await world.byToken('carol', doors[3]!)).body.toString()) as { location?: string }
    expect(location).toBeUndefined()
  })

  test('who was let in is let in for a minute without a question, and whose right is over is refused after it', async () => {
    await using world = await createCallersWorld()
    const tool = fill(world)
    const doors = doorsOf(tool)
    await bringIn(world, [...doors, ...filesOf, ...byDigest(tool).slice(0, 2)])
    await world.lab.quiet()
    const asked = () => [world.lab.requests.length, world.data.requests.length]
    const before = asked()
    for (let turn = 0; turn < 3; turn++) expect(await statuses((path) => world.as('carol', path), doors)).toEqual(all(doors, 200))
    expect(await statuses((path) => world.as('carol', path), byDigest(tool).slice(0, 2))).toEqual(
      all(byDigest(tool).slice(0, 2), 200),
    )
    expect(asked()).toEqual(before)

    world.grant(false)
    expect((await world.as('carol', doors[1]!)).status).toBe(200)
    await world.clock.advance(61_000)
    expect(await statuses((path) => world.as('carol', path), doors)).toEqual(all(doors, 401))
    expect(await statuses((path) => world.as('carol', path), filesOf)).toEqual(all(filesOf, 403))
    expect((await world.as('carol', byDigest(tool)[0]!)).status).not.toBe(200)

    // A refusal is remembered too, though not for long.
    const refusals = asked()
    expect((await world.as('carol', doors[1]!)).status).toBe(401)
    expect(asked()).toEqual(refusals)
    world.grant(true)
    await world.clock.advance(11_000)
    expect(await statuses((path) => world.as('carol', path), doors)).toEqual(all(doors, 200))
  })

  test('a right goes on for ten minutes while it cannot be asked, and nobody else is let in', async () => {
    await using world = await createCallersWorld()
    const tool = fill(world)
    const held = `/v2/${privateRepository}/manifests/${tool.manifest.digest}`
    await bringIn(world, [held])
    /** What is tried again is tried after a pause. */
    const patiently = async (who: CallerName): Promise<Reply> => {
      const reply = world.as(who, held)
      let isOver = false
      const over = () => {
        isOver = true
      }
      reply.then(over, over)
      for (; !isOver; await sleep(5)) await world.clock.advance(100)
      return reply
    }
    await world.lab.refuse()
    await world.clock.advance(300_000)
    expect((await patiently('carol')).status).toBe(200)
    const stranger = await patiently('dave')
    expect([stranger.status, errorCodes(stranger)]).toEqual([503, ['UNAVAILABLE']])
    expect(Number(stranger.headers['retry-after'])).toBeGreaterThan(0)
    await world.clock.advance(301_000)
    expect((await patiently('carol')).status).toBe(503)
    await world.lab.reopen()
    await world.clock.advance(60_000)
    expect((await patiently('carol')).status).toBe(200)
  })

  test('what is public there is for everybody, and what is nobody knows is not', async () => {
    await using world = await createCallersWorld()
    const tool = image({ seed: 'public', layers: [3000] })
    world.lab.push('team/public', tool, 'v1')
    const path = `/v2/team/public/manifests/${tool.manifest.digest}`
    for (const who of [undefined, 'dave', 'carol'] as const) expect((await world.as(who, path)).status).toBe(200)
    await world.lab.quiet()
    const asked = world.lab.requests.length
    for (const who of [undefined, 'dave', 'carol'] as const) expect((await world.as(who, path)).status).toBe(200)
    expect(world.lab.requests).toHaveLength(asked)
    expect((await world.as(undefined, '/v2/team/public/manifests/none')).status).toBe(404)
    expect((await world.as('carol', '/v2/team/none/manifests/none')).status).toBe(404)
  })

  test('nothing of it is told to others, nor what was shown for it', async () => {
    await using open = await createFakeUpstream()
    await using world = await createCallersWorld({ upstreams: { 'open.example': { url: open.url } } })
    const tool = fill(world)
    const doors = [...doorsOf(tool), ...filesOf]
    await bringIn(world, doors)
    await until(async () => (await world.as('carol', byDigest(tool)[1]!)).status === 200)

    const { digest } = tool.blobs[1]!
    // Through another upstream it is to be had where that has it, and not else.
    expect((await ask(`${world.house.url}/v2/open.example/team/tool/blobs/${digest}`)).status).toBe(404)
    expect(JSON.parse((await ask(`${world.house.url}/v2/_catalog`)).body.toString())).toEqual({ repositories: [] })
    for (const path of [doors[5]!, filesOf[1]!, byDigest(tool)[1]!, doors[2]!]) {
      const { headers, body } = await world.as('carol', path)
      const told = JSON.stringify(headers) + body.toString('latin1')
      expect([path, told.includes(world.lab.host), told.includes(world.data.host)]).toEqual([path, false, false])
      expect(headers['cache-control']).not.toMatch(/public/)
    }

    // The registry and its realm hear it, nobody else does, and nothing is written down.
    expect(open.requests.filter(({ headers }) => headers.authorization !== undefined)).toEqual([])
    const shown = [callers.carol, callers.dave, basic('carol', callers.carol).slice(6), basic('dave', callers.dave).slice(6)]
    const written = JSON.stringify(world.log.lines) + (await textsBelow(world.house.storePath))
    for (const secret of shown) expect(written).not.toContain(secret)
    expect(JSON.stringify(world.lab.requests.filter(({ on }) => on === 'cdn'))).not.toContain('Basic ')
  })

  test('another open upstream that has the same bytes gives them to everybody, and that one alone', async () => {
    await using lab = await createFakeUpstream()
    await using world = await createCallersWorld({ upstreams: { 'open.example': { url: lab.url } } })
    const tool = fill(world)
    const { digest } = tool.blobs[1]!
    await bringIn(world, [`/v2/lab.example/${privateRepository}/blobs/${digest}`])
    lab.push('team/tool', tool, 'v1')
    expect((await world.as(undefined, `/v2/open.example/team/tool/blobs/${digest}`)).status).toBe(200)
    expect((await world.as(undefined, `/v2/lab.example/${privateRepository}/blobs/${digest}`)).status).toBe(401)
    await until(async () => (await world.as(undefined, `/blobs/${digest.replace(':', '/')}`)).status === 200)
  })

  test('who joins a download under way has to have a right of its own', async () => {
    await using world = await createCallersWorld()
    const large = blob(3 * 1024 * 1024, 'large')
    world.lab.pushBlob(privateRepository, large)
    const path = `/v2/${privateRepository}/blobs/${large.digest}`
    const gate = world.lab.hold({ path, method: 'GET' })
    const download = open(world.house.url + path, { headers: { authorization: basic('carol', callers.carol) } })
    await world.lab.seen({ path, method: 'GET' })
    expect((await world.as('dave', path)).status).toBe(401)
    expect((await world.as(undefined, path)).status).toBe(401)
    gate.open()
    expect((await (await download).rest()).sha256).toBe(large.digest)
    expect(world.lab.bodies(large.digest)).toBe(1)
  })

  test('what users of the house are called is nothing to it, and what it is shown is not checked here', async () => {
    await using world = await createCallersWorld({
      more: { access: { anonymous: 'none', networks: ['127.0.0.0/8'] } },
    })
    const tool = fill(world)
    const path = `/v2/${privateRepository}/manifests/${tool.manifest.digest}`
    expect((await world.as('carol', path)).status).toBe(200)
    expect((await world.as('dave', path)).status).toBe(401)
    expect((await world.byToken('carol', path)).status).toBe(401) // the registry has no such token
  })

  test('passwords are guessed ten times a minute, and who was let in goes on', async () => {
    await using world = await createCallersWorld()
    const tool = fill(world)
    const path = `/v2/${privateRepository}/manifests/${tool.manifest.digest}`
    expect((await world.as('carol', path)).status).toBe(200)
    const guess = (at: number) => ask(world.house.url + path, { headers: { authorization: basic('carol', `guess ${at}`) } })
    const found: number[] = []
    for (let at = 0; at < 14; at++) found.push((await guess(at)).status)
    expect(found).toEqual([...Array(10).fill(401), ...Array(4).fill(429)])
    expect((await world.as('carol', path)).status).toBe(200)
    expect((await world.as(undefined, path)).status).toBe(401)
    await world.clock.advance(61_000)
    expect((await world.as('carol', path)).status).toBe(200)
  })

  test('by a digest alone what is shown goes to those that took it before, and who is a user here is one there too', async () => {
    await using folder = await tempFolder()
    const file = join(folder.path, 'htpasswd')
    await writeFile(file, `carol:${hashSync(callers.carol, 4)}\nalice:${hashSync('open-sesame-42', 4)}\n`)
    await using own = await createFakeUpstream()
    const access = {
      users: { file },
      rules: [{ upstream: 'own.example', users: ['carol', 'alice'], allow: 'pull' }],
      anonymous: 'none',
    }
    await using world = await createCallersWorld({ upstreams: { 'own.example': { url: own.url } }, more: { access } })
    const [tool, ours] = [fill(world), image({ seed: 'ours', layers: [3000] })]
    own.push('team/ours', ours, 'v1')
    const [theirs, mine] = [tool, ours].map((one) => `/blobs/${one.blobs[1]!.digest.replace(':', '/')}`) as [string, string]
    await bringIn(world, [`/v2/own.example/team/ours/blobs/${ours.blobs[1]!.digest}`])
    await until(async () => (await world.as('carol', mine)).status === 200)

    expect(world.lab.requests).toHaveLength(0)
    await bringIn(world, [`/v2/lab.example/${privateRepository}/blobs/${tool.blobs[1]!.digest}`])
    await until(async () => (await world.as('carol', theirs)).status === 200)
    expect((await world.as('carol', mine)).status).toBe(200)
    const alice = { headers: { authorization: basic('alice', 'open-sesame-42') } }
    expect((await ask(world.house.url + mine, alice)).status).toBe(200)
    expect((await ask(world.house.url + theirs, alice)).status).toBe(403)
    const heard = world.lab.requests.map(({ headers }) => headers.authorization)
    expect(heard).toContain(basic('carol', callers.carol))
    expect(heard).not.toContain(basic('alice', 'open-sesame-42'))
  })

  test('a password that has changed is another one', async () => {
    await using world = await createCallersWorld()
    const tool = fill(world)
    const path = `/v2/${privateRepository}/manifests/${tool.manifest.digest}`
    expect((await world.as('carol', path)).status).toBe(200)
    const wrong = { headers: { authorization: basic('carol', `${callers.carol}-not`) } }
    expect((await ask(world.house.url + path, wrong)).status).toBe(401)
    expect(callerTokens.carol).not.toBe(callers.carol)
  })
})

describe('tickets', () => {
  test('stand for what was shown, to the upstream that it was shown for and to no other', async () => {
    await using other = await createFakeUpstream({ auth: { kind: 'basic', users: callers } })
    await using world = await createCallersWorld({ upstreams: { 'other.example': { url: other.url, rights: 'caller' } } })
    const tool = fill(world)
    other.push('team/tool', tool, 'v1')
    const ping = await world.as(undefined, '/v2/')
    const { host } = new URL(world.house.url)
    const challenge = `Bearer realm="${world.house.url}/token",service="${host}"`
    expect([ping.status, ping.headers['www-authenticate']]).toEqual([401, challenge])
    const ticket = async (scope: string, who?: CallerName) => {
      const reply = await world.as(who, `/token?service=${host}&scope=${encodeURIComponent(scope)}`)
      return (JSON.parse(reply.body.toString()) as { token: string }).token
    }
    const bearing = async (token: string, path: string) =>
      (await ask(world.house.url + path, { headers: { authorization: `Bearer ${token}` } })).status
    const path = `/v2/lab.example/${privateRepository}/manifests/v1`
    const carols = await ticket(`repository:lab.example/${privateRepository}:pull`, 'carol')
    expect(Buffer.from(carols.slice(9), 'base64url').toString('latin1')).not.toContain(callers.carol)
    expect([await bearing(carols, '/v2/'), await bearing(carols, path)]).toEqual([200, 200])
    expect(await bearing(carols, '/v2/other.example/team/tool/manifests/v1')).toBe(401)
    expect(JSON.stringify(other.requests)).not.toContain(basic('carol', callers.carol))
    for (const who of ['dave', undefined] as const)
      expect(await bearing(await ticket(`repository:lab.example/${privateRepository}:pull`, who), path)).toBe(401)
    await world.clock.advance(301_000)
    expect(await bearing(carols, path)).toBe(401)
    expect(await bearing(`${carols.slice(0, -8)}AAAAAAAA`, path)).toBe(401)
  })
})

test('where several processes speak to clients, rights and tickets are those of all of them', async () => {
  await using lab = await createFakeUpstream({
    auth: {
      kind: 'bearer',
      users: callers,
      mayPull: (user, repository) => repository !== privateRepository || user === 'carol',
    },
  })
  const tool = image({ seed: 'private', layers: [3000] })
  lab.push(privateRepository, tool, 'v1')
  const settings = { upstreams: { 'lab.example': { url: lab.url, rights: 'caller' } }, defaults: { oci: 'lab.example' } }
  await using house = await startHouseProcess({ ...settings, args: ['--workers', '2'] })
  const path = `/v2/${privateRepository}/manifests/${tool.manifest.digest}`
  const { host } = new URL(house.url)
  const many = async (authorization: string | undefined) => {
    const headers = authorization === undefined ? {} : { authorization }
    const replies = await Promise.all(Array.from({ length: 12 }, () => ask(house.url + path, { headers })))
    return new Set(replies.map(({ status }) => status))
  }
  const from = (scope: string) => `${house.url}/token?service=${host}&scope=${encodeURIComponent(scope)}`
  const asked = await ask(from(`repository:lab.example/${privateRepository}:pull`), {
    headers: { authorization: basic('carol', callers.carol) },
  })
  const { token } = JSON.parse(asked.body.toString()) as { token: string }
  expect(await many(`Bearer ${token}`)).toEqual(new Set([200]))
  expect(await many(basic('carol', callers.carol))).toEqual(new Set([200]))
  expect(await many(basic('dave', callers.dave))).toEqual(new Set([401]))
  expect(await many(undefined)).toEqual(new Set([401]))
  expect(lab.bodies(tool.manifest.digest)).toBe(1)
  expect(house.output()).not.toContain(callers.carol)
})

async function textsBelow(folder: string): Promise<string> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = found.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name))
  return (await Promise.all(files.map((file) => readFile(file, 'latin1')))).join('\n')
}
