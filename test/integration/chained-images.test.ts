import { expect, test } from 'vitest'
import { ask } from '../kit/ask.ts'
import { digestOfBytes, MiB, seededBytes } from '../kit/blobs.ts'
import { until, untilHeld } from '../kit/disk.ts'
import { createHandClock } from '../kit/hand-clock.ts'
import { startHouse } from '../kit/house.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createFakeShub } from '../kit/shub-upstream.ts'
import { manifestOf, pull } from '../kit/shub-world.ts'
import { createFakeStatic } from '../kit/static-upstream.ts'

expectNoLeaks()

const bytes = seededBytes(3 * MiB, 'chained')
const sha256 = digestOfBytes(bytes)
const next = seededBytes(2 * MiB, 'chained, later')

/** Two houses, the second of which has the first for its upstream. */
async function createChain() {
  const shub = await createFakeShub()
  const pages = await createFakeStatic()
  const clock = createHandClock()
  const first = await startHouse(
    {
      upstreams: { hub: { kind: 'shub', url: shub.url }, pages: { kind: 'static', url: pages.base } },
      outbound: { allow: [shub.files.host, pages.files.host] },
    },
    clock,
  )
  const second = await startHouse(
    {
      upstreams: {
        hub: { kind: 'shub', url: `${first.url}/shub/hub` },
        pages: { kind: 'static', url: `${first.url}/static/pages` },
      },
      more: { defaults: { shub: 'hub' } },
    },
    clock,
  )
  return {
    shub,
    pages,
    clock,
    first,
    second,
    near: { api: `${second.url}/api` },
    far: { api: `${first.url}/shub/hub/api` },
    async [Symbol.asyncDispose]() {
      await Promise.all([shub, pages].map((one) => one[Symbol.asyncDispose]()))
      await second.stop()
      await first.stop()
    },
  }
}

test.each(['md5', 'sha256', 'none'])('a shub image goes through two of us, once and unspoilt: %s', async (version) => {
  await using chain = await createChain()
  chain.shub.push('Lab/tool:v1', bytes, { version })
  const cold = await pull(chain.near, 'Lab/tool:v1')
  expect([cold.image.status, cold.image.sha256, cold.image.headers['content-length']]).toEqual([
    200,
    sha256,
    String(bytes.length),
  ])
  for (const { storePath } of [chain.first, chain.second]) await untilHeld(storePath, sha256)
  expect(chain.shub.bodies).toBe(1)

  for (const house of [chain.far, chain.near])
    await until(async () => (await manifestOf(house, 'Lab/tool:v1')).manifest.version.startsWith('sha256.'), 'the sha256')
  await chain.clock.advance(11 * 60_000)
  const later = await pull(chain.near, 'Lab/tool:v1')
  expect([later.image.sha256, later.manifest.version]).toEqual([sha256, `sha256.${sha256.slice(7)}`])
  expect(later.manifest.commit).toBe(cold.manifest.commit)

  chain.shub.push('Lab/tool:v1', next, { version })
  await chain.clock.advance(11 * 60_000)
  const moved = await pull(chain.near, 'Lab/tool:v1')
  expect(moved.image.sha256).toBe(digestOfBytes(next))
  expect(moved.manifest.commit).not.toBe(cold.manifest.commit)
})

test('a search goes through two of us', async () => {
  await using chain = await createChain()
  chain.shub.push('Lab/tool:v1', bytes)
  const found = await ask(`${chain.near.api}/container/search/name/tool`)
  expect(JSON.parse(found.body.toString())).toMatchObject([{ collection: 'Lab', name: 'tool', tag: 'v1' }])
})

test.each(['md5', 'sha256'] as const)(
  'an image of static pages goes through two of us, once and unspoilt: %s',
  async (algorithm) => {
    await using chain = await createChain()
    chain.pages.push('lab/tool:latest', bytes, { algorithm })
    const layer = async (house = chain.second) => {
      const reply = await ask(`${house.url}/static/pages/lab/tool/manifests/latest`)
      return JSON.parse(reply.body.toString()).layers[0]
    }
    const cold = await layer()
    expect(cold.digest).toBe(digestOfBytes(bytes, algorithm))
    expect((await ask(cold.urls[0])).sha256).toBe(sha256)
    for (const { storePath } of [chain.first, chain.second]) await untilHeld(storePath, sha256)
    expect(chain.pages.bodies).toBe(1)
    for (const house of [chain.first, chain.second])
      await until(async () => (await layer(house)).sha256 !== undefined, 'the sha256')
    await chain.clock.advance(11 * 60_000)
    const warm = await layer()
    expect([warm.digest, warm.sha256, warm.size]).toEqual([cold.digest, sha256.slice(7), bytes.length])
    expect(JSON.parse((await ask(`${chain.second.url}/static/pages/lab/tool/tags/`)).body.toString()).tags).toEqual(['latest'])
    expect(chain.pages.bodies).toBe(1)
  },
)
