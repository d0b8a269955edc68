import { expect, test } from 'vitest'
import { ask, errorCodes, open } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { until, untilHeld } from '../kit/disk.ts'
import { createFakeUpstream } from '../kit/fake-upstream.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createWorld, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const layers = Array.from({ length: 6 }, (_, at) => blob(2 * MiB, `queue ${at}`))
const gets = { path: '/blobs/', method: 'GET' } as const

test('no more fills run at once than maxFills, and all that wait are served in the end', async () => {
  await using world = await createWorld({ house: { more: { transfer: { maxFills: 2 } } } })
  const { upstream } = world
  upstream.pushBlob('lab/tool', ...layers)
  const gate = upstream.hold(gets)
  gate.release(MiB)
  const asked = layers.map(({ digest }) => ask(world.blob('lab/tool', digest)))
  await gate.arrived(2)
  await until(async () => (await world.house.metric('transfer_fills_queued')) === 4, 'four fills in the queue')
  expect(gate.arrivals).toBe(2)
  gate.open()
  const replies = await Promise.all(asked)
  expect(replies.map(({ status, sha256 }) => [status, sha256])).toEqual(layers.map(({ digest }) => [200, digest]))
})

test('one upstream with a long queue does not keep the next place from another', async () => {
  await using other = await createFakeUpstream()
  await using world = await createWorld({
    house: { upstreams: { 'other.example': { url: other.url } }, more: { transfer: { maxFills: 1 } } },
  })
  const { upstream } = world
  upstream.pushBlob('lab/tool', ...layers)
  const late = blob(2 * MiB, 'late')
  other.pushBlob('lab/tool', late)
  const gate = upstream.hold({ ...gets, nth: 1 })
  const crowd = layers.map(({ digest }) => ask(world.blob('lab/tool', digest)))
  await gate.arrived()
  await until(async () => (await world.house.metric('transfer_fills_queued')) === 5, 'five fills in the queue')
  const third = upstream.hold({ ...gets, nth: 2 }) // counted from here on
  const guest = ask(urlsOf(world.house.url, 'other.example').blob('lab/tool', late.digest))
  await until(async () => (await world.house.metric('transfer_fills_queued')) === 6, 'the guest in the queue')
  gate.open() // its place goes to the next of the crowd, the one after that to the guest
  await third.arrived()
  expect(other.bodies(late.digest)).toBe(1)
  expect((await guest).sha256).toBe(late.digest)
  third.open()
  for (const reply of await Promise.all(crowd)) expect(reply.status).toBe(200)
})

test('a full queue is a 503 that says when to come back, while what is held and what runs is served on', async () => {
  await using world = await createWorld({ house: { more: { transfer: { maxFills: 1, maxQueued: 1 } } } })
  const { upstream, house } = world
  upstream.pushBlob('lab/tool', ...layers)
  const url = (at: number) => world.blob('lab/tool', layers[at]!.digest)
  await ask(url(0))
  await untilHeld(house.storePath, layers[0]!.digest)
  const gate = upstream.hold(gets)
  gate.release(MiB)
  const running = await open(url(1))
  await running.atLeast(MiB - 1)
  const queued = ask(url(2))
  await until(async () => (await house.metric('transfer_fills_queued')) === 1, 'one fill in the queue')
  const refused = await ask(url(3))
  expect([refused.status, refused.end, errorCodes(refused).length]).toEqual([503, 'clean', 1])
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  expect(refused.headers.link).toMatch(/\.meta4>; rel=describedby/) // the upstream said that it has it: perhaps others do
  expect((await ask(url(0))).sha256).toBe(layers[0]!.digest)
  const joiner = await open(url(1))
  expect((await joiner.atLeast(MiB - 1)).length).toBeGreaterThan(0)
  gate.open()
  for (const reader of [running, joiner]) expect((await reader.rest()).sha256).toBe(layers[1]!.digest)
  expect((await queued).sha256).toBe(layers[2]!.digest)
  expect((await ask(url(3))).sha256).toBe(layers[3]!.digest)
})
