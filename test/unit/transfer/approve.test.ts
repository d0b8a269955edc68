import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { BlobId } from '../../../src/model/digest.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { Reference, UpstreamId } from '../../../src/model/reference.ts'
import { systemClock } from '../../../src/system/clock.ts'
import { startFill } from '../../../src/transfer/fill.ts'
import type { Approve, Arrived } from '../../../src/transfer/transfer.ts'
import { faultOf } from '../../kit/bytes.ts'
import { collect, digestOfBytes, inPieces, memoryHouse, scriptedSources, silent } from './memory-house.ts'

const MiB = 1024 * 1024
const links = { duplicates: [], describedBy: [{ url: 'http://a/sig', mediaType: 'application/pgp-signature' }] }
const refusal = new Fault('signature-invalid', { what: 'blob', upstream: 'lab' as UpstreamId, trusted: [], why: 'other bytes' })

/** A fill whose bytes wait for the test to approve of them. */
function setUp(size: number) {
  const bytes = randomBytes(size)
  const digest = digestOfBytes(bytes)
  const house = memoryHouse(size)
  const { read, sources } = scriptedSources(bytes, { a: (part) => inPieces(part) }, { links })
  const verdict = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<Arrived>()
  const approve: Approve = (arrived) => {
    asked.resolve(arrived)
    return verdict.promise
  }
  const reference = { kind: 'blob', upstream: 'lab', repository: 'tool', digest } as Reference
  const artifact = { reference, mediaType: 'a/b', digests: [digest], size, checkedAt: 0, freshUntil: 0 }
  const start = () =>
    startFill(
      {
        ...house,
        read,
        approve,
        clock: systemClock,
        log: silent,
        lingerMs: 60_000,
        received: () => {},
        wrong: () => {},
        enter: async () => () => {},
        ending: () => {},
        discover: async () => ({ pieces: undefined, sources: [] }),
      },
      digest,
      artifact,
      sources,
    )
  return { bytes, digest, house, artifact, verdict, asked: asked.promise, start }
}

describe('bytes that have to be approved of', () => {
  test('are whole and right when that is asked, and nobody has the last one before it is answered', async () => {
    const { bytes, digest, artifact, start, asked, verdict, house } = setUp(2 * MiB)
    const fill = start()
    const reader = fill.follow()
    expect((await collect(reader, 0, bytes.length - 1)).equals(bytes.subarray(0, -1))).toBe(true)
    const arrived = await asked
    expect(arrived).toMatchObject({ artifact, digests: [digest], size: bytes.length, mentions: [{ links }] })
    expect(house.blobs.size).toBe(0)
    let isLate = false
    const last = collect(reader, bytes.length - 1).finally(() => (isLate = true))
    await new Promise((go) => setTimeout(go, 40))
    expect(isLate).toBe(false)
    verdict.resolve()
    expect((await last).equals(bytes.subarray(-1))).toBe(true)
    expect((await fill.stored).mentions).toMatchObject([{ links }])
  })

  test.each([
    ['small', 1000],
    ['large', 2 * MiB],
  ])('and are not: whoever waits for a %s blob hears why, and nothing of it stays', async (_, size) => {
    const { start, asked, verdict, house } = setUp(size)
    const fill = start()
    const reading = collect(fill.follow())
    await asked
    verdict.reject(refusal)
    expect(await faultOf(reading)).toBe('signature-invalid')
    expect(await faultOf(fill.stored)).toBe('signature-invalid')
    expect([house.blobs.size, house.spools.size]).toEqual([0, 0])
  })

  test('are asked about also where somebody else has brought them meanwhile', async () => {
    const { bytes, digest, start, asked, verdict, house } = setUp(2 * MiB)
    house.blobs.set(digest as BlobId, bytes)
    const fill = start()
    const reader = fill.follow()
    expect((await asked).mentions).toEqual([])
    let isLate = false
    const first = collect(reader, 0, 10).finally(() => (isLate = true))
    await new Promise((go) => setTimeout(go, 40))
    expect(isLate).toBe(false)
    verdict.reject(refusal)
    expect(await faultOf(first)).toBe('signature-invalid')
    expect(house.blobs.has(digest as BlobId)).toBe(true) // they are somebody else's
    await fill.stored.catch(() => {})
  })
})
