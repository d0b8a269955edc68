import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createAccessWorld } from '../kit/access-world.ts'
import { ask, errorCodes, type Reply } from '../kit/ask.ts'
import { seededBytes } from '../kit/blobs.ts'
import { basic, callers, createCallersWorld, privateRepository } from '../kit/callers-world.ts'
import { until } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'

expectNoLeaks()

const alicesAlone = (repositories: readonly string[]) => ({
  rules: [
    { repositories, users: ['alice'], allow: 'pull' },
    { repositories, allow: 'none' },
  ],
})
const tokenIn = ({ body }: Reply) => (JSON.parse(body.toString()) as { token?: string }).token
const bearing = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
const unknown = `sha256:${'0'.repeat(64)}`

describe('what only some may read', () => {
  test('a token of five minutes was good for another one, and so for ever', async () => {
    await using world = await createAccessWorld(alicesAlone(['*private*']))
    const first = tokenIn(await world.as('alice', '/token'))!
    expect((await ask(`${world.house.url}/v2/`, bearing(first))).status).toBe(200)
    const again = await ask(`${world.house.url}/token`, bearing(first))
    expect([again.status, errorCodes(again), tokenIn(again)]).toEqual([401, ['UNAUTHORIZED'], undefined])
  })

  test('a refusal does not tell whether it is here, by no field of it', async () => {
    await using world = await createAccessWorld(alicesAlone(['*private*']))
    const tool = image({ seed: 'private', layers: [3000] })
    world.lab.push('private/tool', tool, 'v1')
    const { digest } = tool.blobs[1]!
    const metalink = `/blobs/${digest.replace(':', '/')}.meta4`
    await world.as('alice', `/v2/private/tool/blobs/${digest}`)
    await until(async () => (await world.as('alice', metalink)).status === 200, 'it is known how to tell of it')
    for (const who of ['bob', undefined] as const)
      for (const method of ['GET', 'HEAD'] as const) {
        const told = async (of: string) => {
          const { status, headers } = await world.as(who, `/v2/private/tool/blobs/${of}`, method)
          const { date: _, 'x-request-id': __, 'content-length': ___, ...rest } = headers
          return { status, rest }
        }
        expect(await told(digest)).toEqual(await told(unknown))
      }
  })

  test('a name of a shub registry in other letters told whether it is here', async () => {
    await using world = await createAccessWorld(alicesAlone(['Team/Secret']))
    world.hub.push('Team/Secret:v1', seededBytes(30_000, 'secret'))
    expect((await world.as('alice', '/api/container/Team/Secret:v1')).status).toBe(200)
    expect((await world.as('alice', '/shub/hub/image/Team/Secret:v1')).status).toBe(200)
    await until(
      async () => (await world.as('alice', '/api/container/team/secret:v1')).status === 200,
      'it is found by other letters',
    )
    const [here, nowhere] = [
      await world.as('bob', '/api/container/team/secret:v1'),
      await world.as('bob', '/api/container/team/other:v1'),
    ]
    expect([here.status, here.body.toString()]).toEqual([nowhere.status, nowhere.body.toString().replace('other', 'secret')])
  })
})

describe('of an upstream that says itself who may read what', () => {
  test('a digest told by an error whose it is, while its upstream could not be asked', async () => {
    await using world = await createCallersWorld()
    const tool = image({ seed: 'private', layers: [3000] })
    world.lab.push(privateRepository, tool, 'v1')
    const { digest } = tool.blobs[1]!
    const path = `/blobs/${digest.replace(':', '/')}`
    await world.as('carol', `/v2/lab.example/${privateRepository}/blobs/${digest}`)
    await until(async () => (await world.as('carol', path)).status === 200, 'it is held')
    await world.lab.refuse()
    const reply = ask(world.house.url + path, { headers: { authorization: basic('carol', `${callers.carol}!`) } })
    const nobodys = ask(world.house.url + path)
    for (const answer of [reply, nobodys]) {
      let isOver = false
      answer.finally(() => {
        isOver = true
      })
      for (; !isOver; await sleep(5)) await world.clock.advance(100)
      const { status, body, headers } = await answer
      expect([status, Number(headers['retry-after'])]).toEqual([503, expect.any(Number)])
      expect(body.toString() + JSON.stringify(headers)).not.toMatch(/team|private|lab\.example|127\.0\.0\.1:\d+\/v2/)
    }
    await world.lab.reopen()
  })

  test('many guesses at once were all tried', async () => {
    await using world = await createCallersWorld()
    const tool = image({ seed: 'private', layers: [3000] })
    world.lab.push(privateRepository, tool, 'v1')
    const path = `${world.house.url}/v2/${privateRepository}/manifests/${tool.manifest.digest}`
    const guess = (at: number) => ask(path, { headers: { authorization: basic('carol', `guess ${at}`) } })
    const gate = world.lab.hold({ on: 'realm' })
    const guesses = Array.from({ length: 60 }, (_, at) => guess(at))
    await world.house.requestsOpen(60)
    gate.open()
    const found = await Promise.all(guesses)
    const tried = new Set(
      world.lab.requests.map(({ headers }) => headers.authorization).filter((field) => field?.startsWith('Basic')),
    )
    expect(tried.size).toBeGreaterThanOrEqual(10)
    expect(tried.size).toBeLessThan(20)
    expect(found.filter(({ status }) => status === 429)).toHaveLength(60 - tried.size)
  })

  test('a password that is wrong twice is one guess, and many who are right come in at once', async () => {
    await using world = await createCallersWorld()
    const tool = image({ seed: 'private', layers: [3000] })
    world.lab.push(privateRepository, tool, 'v1')
    world.lab.push('team/public', tool, 'v1')
    const path = `/v2/${privateRepository}/manifests/v1`
    const wrong = { headers: { authorization: basic('carol', 'an old one') } }
    for (let at = 0; at < 12; at++) {
      expect((await ask(world.house.url + path, wrong)).status).toBe(401)
      await world.clock.advance(11_000 / 12 + 500)
    }
    const all = await Promise.all(
      tool.blobs.flatMap(({ digest }) =>
        Array.from({ length: 20 }, () => world.as('carol', `/v2/${privateRepository}/blobs/${digest}`)),
      ),
    )
    expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]))
  })

  test('what another upstream takes, whoever shows it, was no guess any more', async () => {
    await using anybody = await createFakeUpstream()
    const tool = image({ seed: 'private', layers: [3000] })
    anybody.push('team/tool', tool, 'v1')
    await using world = await createCallersWorld({ upstreams: { 'anybody.example': { url: anybody.url, rights: 'caller' } } })
    world.lab.push(privateRepository, tool, 'v1')
    const found: number[] = []
    for (let at = 0; at < 14; at++) {
      const guess = { headers: { authorization: basic('carol', `guess ${at}`) } }
      await ask(`${world.house.url}/v2/anybody.example/team/tool/manifests/v1`, guess)
      found.push((await ask(`${world.house.url}/v2/${privateRepository}/manifests/v1`, guess)).status)
    }
    expect(found).toEqual([...Array(10).fill(401), ...Array(4).fill(429)])
  })

  test('what it takes itself of whoever asks for what is public was no guess any more', async () => {
    await using world = await createCallersWorld()
    world.data.put('public/a.bin', Buffer.alloc(5000, 'public'))
    world.data.put('private/a.bin', Buffer.alloc(5000, 'private'))
    world.data.fault({ path: '/private/', on: 'registry' }, { status: 401 })
    const found: number[] = []
    const guesses = Array.from({ length: 14 }, (_, at) => ({ headers: { authorization: basic('carol', `guess ${at}`) } }))
    for (const guess of guesses) expect((await ask(`${world.house.url}/files/data/public/a.bin`, guess)).status).toBe(200)
    for (const guess of guesses) found.push((await ask(`${world.house.url}/files/data/private/a.bin`, guess)).status)
    expect(found).toEqual([...Array(10).fill(401), ...Array(4).fill(429)])
  })
})
