import { describe, expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { until, untilHeld } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { startHouseProcess } from '../kit/house-process.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { createWorld, lab, urlsOf, type World } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(4 * MiB, 'observed')
const size = layer.bytes.length

async function worldWithLayer(): Promise<World & { url: string }> {
  const world = await createWorld({ settings: { freshFor: '0s' } })
  world.upstream.pushBlob('lab/tool', layer)
  world.upstream.push('lab/tool', image({ seed: 'observed' }), 'v1')
  return Object.assign(world, { url: world.blob('lab/tool', layer.digest) })
}

describe('/metrics', () => {
  test('tells misses from followers and hits, and what came in from what went out', async () => {
    await using world = await worldWithLayer()
    const { house, upstream } = world
    const gate = upstream.hold({ path: '/blobs/', method: 'GET' })
    gate.release(2 * MiB)
    const readers = [await open(world.url)]
    await readers[0]!.atLeast(MiB)
    for (let at = 0; at < 4; at++) readers.push(await open(world.url))
    expect(await house.metric('transfer_fills_running')).toBe(1)
    gate.open()
    for (const reader of readers) await reader.rest()
    await untilHeld(house.storePath, layer.digest)
    await ask(world.url)
    const blobs = { route: 'blob' }
    const counted = async () => [
      await house.metric('edge_misses_total', blobs),
      await house.metric('edge_followers_total', blobs),
      await house.metric('edge_hits_total', blobs),
      await house.metric('edge_client_bytes_total'),
      await house.metric('edge_requests_total', { ...blobs, status: '200' }),
    ]
    await until(async () => (await counted())[4] === 6, 'six answers counted')
    expect((await counted()).slice(0, 4)).toEqual([1, 4, 1, 6 * size])
    expect(await house.metric('transfer_upstream_bytes_total', { upstream: lab })).toBe(size)
    expect(await house.metric('transfer_fills_total', { upstream: lab, result: 'stored' })).toBe(1)
    expect(await house.metric('edge_request_seconds_count', blobs)).toBe(6)
  })

  test('counts stale answers, aborted ones and the bytes of the store', async () => {
    await using world = await worldWithLayer()
    const { house, upstream } = world
    await ask(world.url)
    await ask(world.manifest('lab/tool', 'v1'))
    upstream.fault({}, { status: 429 })
    await ask(world.manifest('lab/tool', 'v1'))
    expect(await house.metric('edge_stale_total')).toBe(1)
    const large = blob(32 * MiB, 'left')
    upstream.heal()
    upstream.pushBlob('lab/tool', large)
    const reader = await open(world.blob('lab/tool', large.digest))
    reader.pause()
    reader.leave()
    await until(async () => (await house.metric('edge_aborts_total')) === 1, 'one aborted answer')
    await untilHeld(house.storePath, large.digest)
    await until(async () => (await house.metric('store_bytes')) >= size + large.bytes.length, 'the bytes of the store')
  })

  test('is text that a scraper can read: every line a comment or a name, labels and a number', async () => {
    await using world = await worldWithLayer()
    await ask(world.url)
    const { body, headers } = await ask(`${world.house.url}/metrics`)
    expect(headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/)
    const lines = body.toString().split('\n').slice(0, -1)
    expect(lines.length).toBeGreaterThan(20)
    const wrong = lines.filter(
      (line) => !/^(#.*|[a-z_:][a-z0-9_:]*(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.e+-]+)$/.test(line),
    )
    expect(wrong).toEqual([])
  })
})

describe('the log of a house', () => {
  test('is one JSON line a request, with the id its answer has, and its client lines are printed at the start', async () => {
    await using upstream = await createFakeUpstream()
    await using folder = await tempFolder()
    const tool = image({ seed: 'log' })
    upstream.push('lab/tool', tool, 'v1')
    await using house = await startHouseProcess({
      upstreams: { [lab]: { url: upstream.url } },
      defaults: { oci: lab },
      storePath: folder.path,
    })
    const reply = await ask(urlsOf(house.url).manifest('lab/tool', 'v1'))
    await house.kill('SIGTERM')
    const output = house.output()
    const lines = output.split('\n').filter((line) => line.startsWith('{'))
    const requests = lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'request')
    const own = requests.filter(({ requestId }) => requestId === reply.headers['x-request-id'])
    expect(own).toHaveLength(1)
    expect(own[0]).toMatchObject({
      method: 'GET',
      path: `/v2/${lab}/lab/tool/manifests/v1`,
      status: 200,
      upstream: lab,
      bytes: tool.manifest.bytes.length,
    })
    expect(output).toContain(house.url)
    expect(output).toMatch(/docker:\/\//)
  })
})
