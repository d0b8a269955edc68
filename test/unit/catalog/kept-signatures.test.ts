import { beforeEach, describe, expect, test } from 'vitest'
import { createKeptSignatures, type KeptSignatures } from '../../../src/catalog/kept-signatures.ts'
import type { BlobId } from '../../../src/model/digest.ts'
import type { BlobSignature } from '../../../src/model/facts.ts'
import { blob } from '../../kit/blobs.ts'
import { idOf } from '../../kit/bytes.ts'

const id = idOf(blob(10))
const site = { armored: 'S', by: 'site', keys: ['SITE'] } as const
const seen = { armored: 'P', by: 'publisher', keys: [] } as const
const verified = { armored: 'V', by: 'publisher', keys: ['ONE'] } as const

describe('of the signatures of one blob', () => {
  const disk = new Map<BlobId, BlobSignature>()
  let reads = 0
  let kept: KeptSignatures

  const open = (siteKey: string | undefined) =>
    createKeptSignatures({
      siteKey,
      now: () => 7,
      sidecars: {
        async readSignature(one) {
          reads++
          return disk.get(one)
        },
        async writeSignature(one, signature) {
          disk.set(one, signature)
        },
        removeSignature: async (one) => disk.delete(one),
      },
    })

  beforeEach(() => {
    disk.clear()
    reads = 0
    kept = open('SITE')
  })

  test.each([
    ["the site's gives way to a publisher's", [site, seen], seen],
    ["a publisher's stays when the site signs", [seen, site], seen],
    ['one that was verified takes the place of one that was not', [seen, verified], verified],
    ['one that was not does not come back', [verified, seen], verified],
    [
      'one that was verified by another key too says so, and stays',
      [verified, { ...verified, armored: 'W', keys: ['TWO'] }],
      { ...verified, keys: ['ONE', 'TWO'] },
    ],
    ["the site's is replaced by one of its next key", [{ ...site, keys: ['OLD'] }, site], site],
  ] as const)('%s', async (_, signatures, stays) => {
    for (const one of signatures) await kept.keep(id, one)
    expect(await kept.of(id)).toEqual({ ...stays, keptAt: 7 })
    expect(disk.get(id)).toEqual({ ...stays, keptAt: 7 })
  })

  test('it is read from disk once, also where there is none', async () => {
    for (let time = 0; time < 3; time++) expect(await kept.of(id)).toBeUndefined()
    expect(reads).toBe(1)
    await kept.keep(id, seen)
    expect((await kept.told(id))?.armored).toBe('P')
    expect(reads).toBe(1)
  })

  test("what a key of the site made that is no longer used is not told of; a publisher's is", async () => {
    await kept.keep(id, site)
    expect((await open('NEXT').told(id))?.armored).toBeUndefined()
    expect((await open(undefined).told(id))?.armored).toBeUndefined()
    await kept.keep(id, seen)
    expect((await open(undefined).told(id))?.armored).toBe('P')
  })

  test('what is said of it moves with it, and with nothing else', async () => {
    const versions = [kept.version]
    for (const step of [() => kept.keep(id, seen), () => kept.keep(id, site), () => kept.drop(id)]) {
      await step()
      versions.push(kept.version)
    }
    expect(versions).toEqual([0, 1, 1, 2])
    expect([await kept.of(id), disk.size]).toEqual([undefined, 0])
  })

  test('it is looked for again once its blob was removed', async () => {
    await kept.keep(id, seen)
    disk.clear()
    kept.forget(id)
    expect(await kept.of(id)).toBeUndefined()
  })
})
