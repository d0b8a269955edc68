import { describe, expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { MiB, seededBytes } from '../kit/blobs.ts'
import { type House, startHouse } from '../kit/house.ts'
import { createFakeKeyserver } from '../kit/keyserver.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { pullFromLibrary } from '../kit/library-client.ts'
import { type LibraryImageOptions, type LibraryKind, sha256 } from '../kit/library-upstream.ts'
import { createLibraryWorld } from '../kit/library-world.ts'

expectNoLeaks()

const bytes = seededBytes(6 * MiB, 'chain')
const young = seededBytes(6 * MiB, 'young')

/** Another house, which knows the first one as its library. */
function houseInFrontOf({ url }: House, freshFor = '10m'): Promise<House> {
  const more = { catalog: { answerDeadline: '40s' } }
  return startHouse({ upstreams: { near: { kind: 'library', url, freshFor } }, defaults: { library: 'near' }, more })
}

describe.each<readonly [string, LibraryKind, LibraryImageOptions]>([
  ['a sha256', 'sylabs', {}],
  ['an md5', 'sregistry', { hash: 'md5' }],
  ['no hash', 'hinkskalle', { hash: 'none' }],
])('through two houses, an image with %s', (_what, kind, options) => {
  test('is pulled cold, warm, and with all behind it gone', async () => {
    await using world = await createLibraryWorld({ library: { kind } })
    await using house = await houseInFrontOf(world.house)
    world.library.push('e/c/n:t', bytes, options)
    for (const _ of ['cold', 'warm'])
      expect(await pullFromLibrary(house.url, 'e/c/n:t')).toMatchObject({ why: undefined, hash: sha256(bytes) })
    expect(await pullFromLibrary(world.house.url, 'e/c/n:t')).toMatchObject({ why: undefined, hash: sha256(bytes) })
    expect(world.library.transfers).toBe(1)
    await world.house.stop()
    expect(await pullFromLibrary(house.url, 'e/c/n:t')).toMatchObject({ why: undefined, hash: sha256(bytes) })
  })

  test('is fetched from the first, which has it already', async () => {
    await using world = await createLibraryWorld({ library: { kind } })
    await using house = await houseInFrontOf(world.house)
    world.library.push('e/c/n:t', bytes, options)
    await pullFromLibrary(world.house.url, 'e/c/n:t')
    await world.stored('e/c/n:t')
    // It sends to its blobs, for parts; the whole is there too.
    expect((await pullFromLibrary(house.url, 'e/c/n:t')).why).toBeUndefined()
    expect(world.library.transfers).toBe(1)
  })

  test('that changes is fetched anew', async () => {
    await using world = await createLibraryWorld({ library: { kind }, settings: { freshFor: '1ms' } })
    await using house = await houseInFrontOf(world.house, '1ms')
    world.library.push('e/c/n:t', bytes, options)
    await pullFromLibrary(house.url, 'e/c/n:t')
    world.library.push('e/c/n:t', young, options)
    expect(await pullFromLibrary(house.url, 'e/c/n:t')).toMatchObject({ why: undefined, hash: sha256(young) })
  })
})

test('another of us is told at once what the library says, and waits for no hash of ours', async () => {
  await using world = await createLibraryWorld({ library: { kind: 'sregistry' } })
  world.library.push('c/md5:t', bytes, { hash: 'md5' })
  world.library.push('c/none:t', bytes, { hash: 'none' })
  world.library.hold({ on: 'cdn' })
  const told = async (name: string) => {
    const { status, body } = await ask(`${world.house.url}/v1/images/c/${name}:t`, { headers: { prefer: 'wait=0' } })
    return { status, hash: JSON.parse(body.toString()).data.hash }
  }
  expect(await told('md5')).toEqual({ status: 200, hash: expect.stringMatching(/^md5\.[0-9a-f]{32}$/) })
  expect(await told('none')).toEqual({ status: 200, hash: undefined })
  expect(world.library.count({ path: '/imagefile/' })).toBe(0)
})

test('what is missing is missing, and what is refused is refused, through both', async () => {
  await using world = await createLibraryWorld()
  await using house = await houseInFrontOf(world.house)
  expect((await ask(`${house.url}/v1/images/e/c/n:t`)).status).toBe(404)
  world.library.fault({ path: '/v1/images/' }, { status: 403, body: '{"error":{"message":"not for you"}}' })
  const { status, body } = await ask(`${house.url}/v1/images/e/c/other:t`)
  expect([status, body.toString()]).toEqual([403, expect.stringContaining('not for you')])
})

test('keys and searches come through both', async () => {
  await using keyserver = await createFakeKeyserver()
  keyserver.keys.set('AB12'.repeat(10), '-----BEGIN PGP PUBLIC KEY BLOCK-----')
  const image = [{ hash: sha256(bytes), containerName: 'n' }]
  await using world = await createLibraryWorld({
    library: { search: { data: { image } } },
    settings: { keyserver: keyserver.url },
  })
  await using house = await houseInFrontOf(world.house)
  expect((await ask(`${house.url}/pks/lookup?op=get&search=0x${'AB12'.repeat(10)}`)).status).toBe(200)
  const found = await ask(`${house.url}/v1/search?value=name`)
  expect(JSON.parse(found.body.toString()).data.image).toEqual(image)
})
