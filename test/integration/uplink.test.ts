import { describe, expect, test } from 'vitest'
import { askHashed } from '../kit/ask.ts'
import { blob } from '../kit/blobs.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { createWorld, urlsOf } from '../kit/world.ts'

expectNoLeaks()

const MiB = 1024 * 1024

describe('a cap on what comes in', () => {
  test.each([
    ['of one upstream', { settings: { maxBytesPerSecond: '2MiB' } }],
    ['of all', { house: { outbound: { maxBytesPerSecond: '2MiB' } } }],
  ])('%s is kept to by all fills together, whose bytes are right', async (_what, options) => {
    await using world = await createWorld(options)
    const layers = [blob(3 * MiB, 'a'), blob(2 * MiB, 'b')]
    for (const layer of layers) world.upstream.pushBlob('lab/tool', layer)
    const startedAt = performance.now()
    const replies = await Promise.all(layers.map(({ digest }) => askHashed(world.blob('lab/tool', digest))))
    for (const [at, { digest }] of layers.entries()) expect(replies[at]).toMatchObject({ end: 'clean', sha256: digest })
    expect(performance.now() - startedAt).toBeGreaterThan(1500)
  })

  test('of one upstream holds up no other', async () => {
    await using other = await createWorld()
    await using world = await createWorld({
      settings: { maxBytesPerSecond: '256KiB' },
      house: { upstreams: { 'other.example': { url: other.upstream.url } } },
    })
    const [slow, quick] = [blob(2 * MiB, 'slow'), blob(8 * MiB, 'quick')]
    world.upstream.pushBlob('lab/tool', slow)
    other.upstream.pushBlob('lab/tool', quick)
    const one = askHashed(world.blob('lab/tool', slow.digest)).then(() => 'the capped one')
    const two = askHashed(urlsOf(world.house.url, 'other.example').blob('lab/tool', quick.digest)).then(() => 'the other')
    expect(await Promise.race([one, two])).toBe('the other')
    await world.house.reload({ upstreams: { 'lab.example': { url: world.upstream.url } } })
    expect(await one, 'which is let go when the cap is').toBe('the capped one')
  })
})
