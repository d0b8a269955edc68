import { expect, test } from 'vitest'
import { ask, open } from '../kit/ask.ts'
import { blob, MiB } from '../kit/blobs.ts'
import { isHeld, untilHeld } from '../kit/disk.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createWorld } from '../kit/world.ts'

expectNoLeaks()

const layer = blob(8 * MiB, 'leaving')
const size = layer.bytes.length

async function fillOf(readers: number) {
  const world = await createWorld()
  world.upstream.pushBlob('lab/tool', layer)
  const gate = world.upstream.hold({ path: '/blobs/', method: 'GET' })
  gate.release(3 * MiB)
  const url = world.blob('lab/tool', layer.digest)
  const clients = await Promise.all(Array.from({ length: readers }, () => open(url)))
  for (const client of clients) await client.atLeast(MiB)
  return { world, gate, url, clients, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

test('a client that leaves takes nothing from the others', async () => {
  await using fill = await fillOf(4)
  const [first, second, ...others] = fill.clients
  first!.leave() // the one whose question began the fill
  second!.leave()
  fill.gate.open()
  for (const other of others) expect(await other.rest()).toMatchObject({ sha256: layer.digest, end: 'clean' })
  expect([fill.world.upstream.bodies(layer.digest), fill.world.upstream.bytesSent(layer.digest)]).toEqual([1, size])
})

test('when all have left the fill goes on, and the next ask is a hit', async () => {
  await using fill = await fillOf(3)
  const { world } = fill
  for (const client of fill.clients) client.leave()
  expect(await isHeld(world.house.storePath, layer.digest)).toBe(false)
  fill.gate.open()
  await untilHeld(world.house.storePath, layer.digest)
  await world.upstream.refuse()
  const again = await ask(fill.url)
  expect(again).toMatchObject({ status: 200, sha256: layer.digest, end: 'clean' })
  expect(again.headers['cache-status']).toMatch(/^forebay; *hit/)
  expect(world.upstream.bodies(layer.digest)).toBe(1)
})

test('a client that leaves before the upstream answers has still begun the fill', async () => {
  await using world = await createWorld()
  world.upstream.pushBlob('lab/tool', layer)
  const gate = world.upstream.hold({ path: '/blobs/', method: 'GET' })
  const control = new AbortController()
  const asked = ask(world.blob('lab/tool', layer.digest), { signal: control.signal })
  await gate.arrived()
  control.abort()
  await expect(asked).rejects.toThrow()
  gate.open()
  await untilHeld(world.house.storePath, layer.digest)
  expect(world.upstream.bodies(layer.digest)).toBe(1)
})

test('a client that stops reading holds nobody up', async () => {
  await using fill = await fillOf(2)
  const [slow, quick] = fill.clients
  slow!.pause()
  fill.gate.open()
  expect(await quick!.rest()).toMatchObject({ sha256: layer.digest, end: 'clean' })
  await untilHeld(fill.world.house.storePath, layer.digest)
  await fill.world.upstream.close()
  expect(await slow!.rest()).toMatchObject({ sha256: layer.digest, end: 'clean' })
})

test('an abort is neither an error of the upstream nor of the fill in the metrics', async () => {
  await using fill = await fillOf(2)
  for (const client of fill.clients) client.leave()
  fill.gate.open()
  await untilHeld(fill.world.house.storePath, layer.digest)
  expect(await fill.world.house.metric('transfer_fills_total', { result: 'failed' })).toBe(0)
})
