import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { type Canary, createCanary } from '../kit/canary.ts'
import { watchDials } from '../kit/dials.ts'
import { until } from '../kit/disk.ts'
import { createForwardProxy, type ForwardProxy } from '../kit/forward-proxy.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createFakeWeb, type FakeWeb, page } from '../kit/upstream/fake-web.ts'
import { listen } from '../kit/upstream/listener.ts'
import { createScene, type Scene, type Way, ways } from '../kit/ways-in.ts'

expectNoLeaks()

/** Places of this machine and its site, in whatever clothes. On the port of the canary, where there is one. */
const inside = (port: number): readonly string[] => [
  `127.0.0.1:${port}`,
  `localhost:${port}`,
  `[::ffff:127.0.0.1]:${port}`,
  '169.254.169.254',
]

const inOtherClothes = (port: number): readonly string[] => [
  ...inside(port),
  `127.0.0.1.:${port}`,
  `localhost.:${port}`,
  `127.1:${port}`,
  `2130706433:${port}`,
  `0x7f000001:${port}`,
  `0177.0.0.1:${port}`,
  `127.255.255.254:${port}`,
  `0.0.0.0:${port}`,
  `0:${port}`,
  `[::]:${port}`,
  `[::1]:${port}`,
  `[0:0:0:0:0:0:0:1]:${port}`,
  `[::ffff:7f00:1]:${port}`,
  `[::127.0.0.1]:${port}`,
  `[::ffff:0:127.0.0.1]:${port}`,
  `[64:ff9b::127.0.0.1]:${port}`,
  `[2002:7f00:1::]:${port}`,
  `[fd00::1]:${port}`,
  `[fe80::1]:${port}`,
  '10.0.0.1',
  '100.100.100.200',
  '169.254.169.254.',
]

const thorough = [
  'a redirect of the bytes of a blob',
  'the token service of a challenge',
  'the place of a layer, in its manifest',
]

/** What is redirected to may be http or https; what is only named must be https, or it is refused as such. */
function urlsTo(places: readonly string[], { follows }: Way): readonly string[] {
  const schemes = follows === 'named' ? ['https'] : ['http', 'https']
  const urls = places.map((place, at) => `${schemes[at % schemes.length]}://${place}/x`)
  return [...urls, `http://${places[0]}/x`, 'file:///etc/passwd']
}

interface Stage {
  readonly scene: Scene
  readonly open: FakeWeb // a place that the settings allow
  readonly canary: Canary // listens on every address of this machine
  readonly proxy: ForwardProxy | undefined
}

async function setStage(isProxied: boolean): Promise<Stage & AsyncDisposable> {
  const open = await createFakeWeb(() => page(404, 'nothing here'))
  const canary = await createCanary('::').catch(() => createCanary('0.0.0.0')) // where there is no IPv6
  const proxy = isProxied ? await createForwardProxy() : undefined
  const scene = await createScene([open.host], proxy && { HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url })
  return {
    scene,
    open,
    canary,
    proxy,
    async [Symbol.asyncDispose]() {
      for (const one of [scene, open, canary, proxy]) await one?.[Symbol.asyncDispose]()
    },
  }
}

let asked = 0

/** Tells of one URL; what was dialled besides who may be. */
async function dialled({ lead }: Way, url: string, { scene, proxy }: Pick<Stage, 'scene' | 'proxy'>): Promise<readonly string[]> {
  using dials = watchDials()
  await lead(scene, url, asked++)
  const known = [scene.house.host, scene.server.host, proxy?.host]
  return dials.tried.filter((one) => !known.includes(one))
}

async function expectNobodyDialled(way: Way, urls: readonly string[], stage: Stage): Promise<void> {
  for (const url of way.isOnce ? urls.slice(0, stage.proxy ? 1 : 2) : urls) {
    await using own = way.isOnce && (await setStage(stage.proxy !== undefined))
    const { scene, proxy } = own || stage
    const before = { asked: proxy?.asked.length, connections: stage.canary.connections }
    expect([url, await dialled(way, url, { scene, proxy })]).toEqual([url, []])
    expect(stage.canary.connections - before.connections).toBe(0)
    const besides = proxy?.asked.slice(before.asked).filter((line) => !line.includes(scene.server.host)) ?? []
    expect([url, besides]).toEqual([url, []])
  }
}

/** The way is one: a place that the settings allow is asked. Else a test of it would show nothing. */
async function expectFollowed(way: Way, stage: Stage): Promise<void> {
  await using own = way.isOnce && (await setStage(stage.proxy !== undefined))
  const { open, scene } = own || stage
  const before = open.requests.length
  await way.lead(scene, `${open.url}/x`, asked++)
  if (way.follows === 'never') expect(open.requests).toHaveLength(before)
  else await until(() => open.requests.length > before, 'a place that may be asked is asked')
}

describe.each([
  ['', false],
  ['behind a proxy that could reach anything, ', true],
] as const)('%ssomebody who tells of a place does not get us to ask there, by', (_, isProxied) => {
  let stage: Stage & AsyncDisposable
  beforeAll(async () => {
    stage = await setStage(isProxied)
  })
  afterAll(() => stage[Symbol.asyncDispose]())

  test.each(ways)('$name', async (way) => {
    const { port } = stage.canary
    const places = thorough.includes(way.name) && !isProxied ? inOtherClothes(port) : inside(port)
    // Behind a proxy nobody here knows where a name leads.
    await expectNobodyDialled(way, urlsTo(isProxied ? ['public.example', ...places.slice(0, 1)] : places, way), stage)
    await expectFollowed(way, stage)
  })
})

/** Names mean what a test says, in turn; the last answer stays. */
function answering(...answers: readonly (readonly string[])[]): Disposable {
  const { lookup } = dns
  let asked = 0
  const instead = (name: string, options: object, callback: (...args: unknown[]) => void) => {
    if (name !== 'rebound.example') return Reflect.apply(lookup, dns, [name, options, callback])
    const addresses = answers[Math.min(asked++, answers.length - 1)]!
    callback(
      null,
      addresses.map((address) => ({ address, family: 4 })),
    )
  }
  const replace = (one: unknown) => {
    dns.lookup = one as typeof lookup
    syncBuiltinESMExports()
  }
  replace(instead)
  return { [Symbol.dispose]: () => replace(lookup) }
}

describe('a name that changes its address', () => {
  const elsewhere = '127.0.0.3' // for somebody outside: the settings allow its network
  const text = 'x'.repeat(100)

  /** A server outside, and a canary on the same port inside. */
  async function rebinding() {
    const server = await listen(async (_, response) => void response.writeHead(200, { connection: 'close' }).end(text), {
      address: elsewhere,
    })
    const canary = await createCanary('127.0.0.1', server.port)
    const scene = await createScene([`${elsewhere}/32`])
    const fetch = async (at: number) => {
      scene.redirect(`/files/f${at}`, `http://rebound.example:${server.port}/f`)
      return (await ask(`${scene.house.url}/files/files/f${at}`)).status
    }
    return {
      canary,
      fetch,
      async [Symbol.asyncDispose]() {
        await scene[Symbol.asyncDispose]()
        await server.close()
        await canary[Symbol.asyncDispose]()
      },
    }
  }

  test('is dialled where it was outside, and not any more once it is inside', async () => {
    await using world = await rebinding()
    using _ = answering(...Array.from({ length: 10 }, () => [elsewhere]), ['127.0.0.1'])
    expect(await world.fetch(0)).toBe(200)
    const statuses: number[] = []
    for (let at = 1; at <= 10; at++) statuses.push(await world.fetch(at))
    expect(statuses.at(-1)).toBe(502)
    expect(world.canary.connections).toBe(0)
  })

  test('is looked up once for a connection: what was checked is what is dialled', async () => {
    await using world = await rebinding()
    for (let at = 0; at < 5; at++) {
      using _ = answering([elsewhere], ['127.0.0.1'])
      await world.fetch(at)
    }
    expect(world.canary.connections).toBe(0)
  })

  test('is not dialled at all where one of its addresses is inside', async () => {
    await using world = await rebinding()
    using _ = answering([elsewhere, '127.0.0.1'])
    expect(await world.fetch(0)).toBe(502)
    expect(world.canary.connections).toBe(0)
  })
})
