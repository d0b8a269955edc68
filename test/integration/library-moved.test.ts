import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { MiB, seededBytes } from '../kit/blobs.ts'
import { until } from '../kit/disk.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { pullFromLibrary } from '../kit/library-client.ts'
import { type LibraryImageOptions, type LibraryKind, sha256 } from '../kit/library-upstream.ts'
import { createLibraryWorld, type LibraryWorld } from '../kit/library-world.ts'

expectNoLeaks()

// Of one length, so that only a hash tells them apart.
const old = seededBytes(6 * MiB, 'old')
const young = seededBytes(6 * MiB, 'young')
const freshFor = '200ms'
const past = 250 // ms

const pull = ({ house }: LibraryWorld, meanwhile?: () => void | Promise<void>) =>
  pullFromLibrary(house.url, 'e/c/n:t', meanwhile && { meanwhile })

const told = async ({ house }: LibraryWorld) => {
  const { status, body } = await ask(`${house.url}/v1/images/e/c/n:t?arch=amd64`)
  return status === 200 ? (JSON.parse(body.toString()).data as { hash: string; size: number }) : status
}

describe('a tag that moves between the question for its hash and that for its file', () => {
  test.each<LibraryKind>(['sylabs', 'hinkskalle'])('gives what it meant at first, from %s', async (kind) => {
    await using world = await createLibraryWorld({ library: { kind } })
    world.library.push('e/c/n:t', old)
    const first = await pull(world, () => world.library.push('e/c/n:t', young))
    expect(first).toMatchObject({ why: undefined, hash: sha256(old) })
    expect(first.bytes?.equals(old)).toBe(true)
  })

  test('gives what it meant at first from here, once it was here', async () => {
    await using world = await createLibraryWorld({ settings: { freshFor } })
    world.library.push('e/c/n:t', old)
    await pull(world)
    await world.stored('e/c/n:t')
    await sleep(past)
    const second = await pull(world, async () => {
      world.library.push('e/c/n:t', young)
      await sleep(past)
    })
    expect(second).toMatchObject({ why: undefined, hash: sha256(old) })
    expect(await pull(world)).toMatchObject({ why: undefined, hash: sha256(young) })
  })

  test('gives what was told of it while its upstream was slow to say better', async () => {
    await using world = await createLibraryWorld({
      settings: { freshFor },
      house: { more: { catalog: { answerDeadline: '100ms' } } },
    })
    world.library.push('e/c/n:t', old)
    await pull(world)
    await world.stored('e/c/n:t')
    await sleep(past)
    world.library.push('e/c/n:t', young)
    const gate = world.library.hold({ path: '/v1/images/' })
    const stale = await pull(world, async () => {
      gate.open()
      await world.library.quiet()
    })
    expect(stale).toMatchObject({ why: undefined, hash: sha256(old) })
    await until(async () => ((await told(world)) as { hash: string }).hash === sha256(young), 'the better word to be known')
    expect(await pull(world)).toMatchObject({ why: undefined, hash: sha256(young) })
  })

  test('fails where its library cannot give what it said, and is right again with the next pull', async () => {
    await using world = await createLibraryWorld({ library: { kind: 'sregistry' } })
    world.library.push('e/c/n:t', old)
    expect((await pull(world, () => world.library.push('e/c/n:t', young))).bytes).toBeUndefined()
    expect(await pull(world)).toMatchObject({ why: undefined, hash: sha256(young) })
  })

  test('is right with the next pull also where only an md5 told', async () => {
    await using world = await createLibraryWorld({ library: { kind: 'sregistry' } })
    world.library.push('e/c/n:t', old, { hash: 'md5' })
    const gate = world.library.hold({ path: '/imagefile/' })
    const failing = pull(world)
    await gate.arrived()
    world.library.push('e/c/n:t', young, { hash: 'md5' })
    gate.open()
    expect((await failing).why).toContain('the image: 502')
    expect(await pull(world)).toMatchObject({ why: undefined, hash: sha256(young) })
  })
})

test('whoever is sent to the blob is told its size, whatever the tag means by then', async () => {
  const large = Buffer.concat([young, Buffer.alloc(1000)])
  await using world = await createLibraryWorld({ settings: { freshFor } })
  world.library.push('e/c/n:t', old)
  await pull(world)
  await world.stored('e/c/n:t')
  const { hash } = (await told(world)) as { hash: string }
  const file = await ask(`${world.house.url}/v1/imagefile/e/c/n:t?arch=amd64`)
  expect([file.status, hash]).toEqual([303, sha256(old)])
  world.library.push('e/c/n:t', large)
  await sleep(past)
  expect(await told(world)).toMatchObject({ hash, size: old.length })
  expect(await told(world)).toMatchObject({ hash: sha256(large) })
})

describe.each<readonly [string, LibraryImageOptions]>([
  ['a sha256', {}],
  ['an md5', { hash: 'md5' }],
  ['no hash', { hash: 'none' }],
])('an image with %s', (_what, options) => {
  test('that changes upstream is fetched anew, once', async () => {
    await using world = await createLibraryWorld({ settings: { freshFor } })
    world.library.push('e/c/n:t', old, options)
    expect(await pull(world)).toMatchObject({ hash: sha256(old) })
    await world.stored('e/c/n:t')
    await sleep(past)
    expect(await pull(world)).toMatchObject({ hash: sha256(old), why: undefined })
    expect(world.library.transfers).toBe(1)
    world.library.push('e/c/n:t', young, options)
    await sleep(past)
    expect(await pull(world)).toMatchObject({ hash: sha256(young), why: undefined })
    expect(world.library.transfers).toBe(2)
  })

  test('that is gone upstream is gone', async () => {
    await using world = await createLibraryWorld({ settings: { freshFor } })
    world.library.push('e/c/n:t', old, options)
    await pull(world)
    world.library.remove('e/c/n:t')
    await sleep(past)
    expect(await told(world)).toBe(404)
  })
})

test('a library that says no hash and no date is asked anew for all of it, and never mixed up', async () => {
  const bare = { hash: 'none', more: { id: null, createdAt: null, updatedAt: null } }
  await using world = await createLibraryWorld({ settings: { freshFor } })
  world.library.push('e/c/n:t', old, bare)
  expect(await pull(world)).toMatchObject({ hash: sha256(old), why: undefined })
  world.library.push('e/c/n:t', young, bare)
  await sleep(past)
  expect(await pull(world)).toMatchObject({ hash: sha256(young), why: undefined })
})
