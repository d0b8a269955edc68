import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type BlobId, hexOf } from '../../../src/model/digest.ts'
import type { Repository, Tag, UpstreamId } from '../../../src/model/reference.ts'
import type { TagPlace } from '../../../src/store/blob-store.ts'
import {
  blobFile,
  blobIdAt,
  blobsFolder,
  factsFile,
  refsFolder,
  spoolStem,
  tagFile,
  tagPlaceAt,
} from '../../../src/store/places.ts'
import { blob } from '../../kit/blobs.ts'
import { faultOf, idOf } from '../../kit/bytes.ts'

const id = idOf(blob(1))
const hex: string = hexOf(id)
const place = (upstream: string, repository = 'lab/tool', tag = 'v1') =>
  ({ upstream: upstream as UpstreamId, repository: repository as Repository, tag: tag as Tag }) satisfies TagPlace

describe('blobs', () => {
  test('lie by their first two digits, with their facts beside them', () => {
    expect(blobFile('/s', id)).toBe(`/s/blobs/sha256/${hex.slice(0, 2)}/${hex}`)
    expect(factsFile('/s', id)).toBe(`${blobFile('/s', id)}.json`)
    expect(blobIdAt(`${hex.slice(0, 2)}/${hex}`)).toBe(id)
  })
  test.each([`${hex}`, `00/${hex}`, `${hex.slice(0, 2)}/${hex}.json`, `${hex.slice(0, 2)}/${hex}/x`, '', 'ab/cd'])(
    '%s is none',
    (path) => expect(blobIdAt(path)).toBeUndefined(),
  )
  test('no text at all leads out of the folder', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom('.', '/', 'a', ':', '0', '\0', 'sha256:') }), (text) => {
        try {
          return blobFile('/s', text as BlobId).startsWith(`${blobsFolder('/s')}/`)
        } catch {
          return true
        }
      }),
    )
  })
})

describe('tags', () => {
  test.each(['docker.io', 'registry.example:5000', 'localhost', '..', '.hidden', 'a/b', 'ü', '%2e'])(
    'of %s are found again',
    (upstream) => {
      const file = tagFile('/s', place(upstream))
      expect(file).toMatch(/^\/s\/refs\/[^/.][^/]*\/lab\/tool\/_tags\/v1\.json$/)
      expect(tagPlaceAt(file.slice(refsFolder('/s').length + 1))).toEqual(place(upstream))
    },
  )
  test.each([
    [place(''), 'name-invalid'],
    [place('x'.repeat(256)), 'name-invalid'],
    [place('a', '../../etc'), 'name-invalid'],
    [place('a', 'b', '../x'), 'tag-invalid'],
    [place('a', 'b', '..'), 'tag-invalid'],
    [place('a', 'b/_tags'), 'name-invalid'],
  ])('%j has no place', async (at, code) => expect(await faultOf(() => tagFile('/s', at))).toBe(code))
  test.each([
    'docker.io/lab/_tags/v1',
    'docker.io/lab/v1.json',
    'docker.io/_tags/v1.json',
    'docker.io/Lab/_tags/v1.json',
    'docker.io/lab/_tags/.v1.json',
    'docker%2eio/lab/_tags/v1.json',
    '%/lab/_tags/v1.json',
    'docker.io/lab/_tags/sub/v1.json',
  ])('%s is none', (path) => expect(tagPlaceAt(path)).toBeUndefined())
})

test('the stem of a spool says nothing of its key', () => {
  expect(spoolStem('../x')).toMatch(/^[0-9a-f]{64}$/)
  expect(spoolStem('a')).not.toBe(spoolStem('b'))
})
