import { describe, expect, test } from 'vitest'
import { createLinks } from '../../../src/catalog/links.ts'
import type { BlobId } from '../../../src/model/digest.ts'
import { blob, KiB } from '../../kit/blobs.ts'
import { faultOf } from '../../kit/bytes.ts'
import { createHandClock } from '../../kit/hand-clock.ts'
import { asking, blobNamed } from '../../kit/questions.ts'

const layer = blob(10 * KiB, 'links')
const reference = blobNamed(layer.digest)
const id = layer.digest as unknown as BlobId
const mirror = { url: new URL('http://m.example/x'), country: 'de', since: 1 }

/** Links over a place that proves when told to, and a store that may hold the blob. */
function setUp(options: { size?: number; held?: number } = {}) {
  const clock = createHandClock()
  const proof = Promise.withResolvers<void>()
  let isProved = false
  const asked: number[] = []
  proof.promise.then(() => (isProved = true))
  const links = createLinks({
    clock,
    proveForMs: 2_000,
    store: { stat: async () => (options.held === undefined ? undefined : { id, size: options.held, lastUsed: 0, path: '' }) },
    knowledge: { idOf: async () => id, blob: async () => undefined, pieces: async () => undefined } as never,
    signatures: { told: async () => undefined, improve: async () => {} },
    blobs: { resolve: async () => ({ artifact: { size: options.size }, outcome: { kind: 'miss' } }) } as never,
    mirrors: {
      prove: (_: unknown, size: number) => {
        asked.push(size)
        return proof.promise
      },
      proved: (_: unknown, size: number) => (isProved && size === 10 * KiB ? [mirror] : []),
    } as never,
  })
  return { links, clock, asked, prove: proof.resolve }
}

describe('the links of a blob', () => {
  test('wait for places that answer soon', async () => {
    const { links, clock, prove } = setUp({ size: 10 * KiB })
    const told = links.ofBlob(reference, asking())
    await clock.asleep()
    prove()
    expect((await told).places).toEqual([mirror])
    expect(clock.sleepers).toBe(0)
  })

  test('go without those that do not', async () => {
    const { links, clock } = setUp({ size: 10 * KiB })
    const told = links.ofBlob(reference, asking())
    await clock.asleep()
    await clock.advance(2_000)
    expect((await told).places).toEqual([])
  })

  test('wait no longer than who asks', async () => {
    const { links, clock } = setUp({ size: 10 * KiB })
    const control = new AbortController()
    const told = links.ofBlob(reference, asking({ signal: control.signal }))
    await clock.asleep()
    control.abort()
    expect((await told).places).toEqual([])
    expect(clock.sleepers).toBe(0)
  })

  test('are of the size that is held, where a manifest or upstream says another', async () => {
    const { links, clock, prove } = setUp({ size: 999, held: 10 * KiB })
    prove()
    const told = links.ofBlob(reference, asking())
    await clock.advance(2_000)
    expect(await told).toMatchObject({ size: 10 * KiB, places: [mirror], digests: [layer.digest] })
  })

  test('are none where nobody knows the size', async () => {
    expect(await faultOf(setUp().links.ofBlob(reference, asking()))).toBe('not-found')
  })
})
