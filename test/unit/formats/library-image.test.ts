import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type HeldLibraryImage, parseLibraryImage, printLibraryImage } from '../../../src/formats/library-image.ts'
import { blob, digestOfBytes } from '../../kit/blobs.ts'
import { idOf } from '../../kit/bytes.ts'
import { bytesOf, faultIn, neverSurprises } from '../../kit/hostile.ts'

const id = idOf(blob(10))
const hash = `sha256.${id.slice('sha256:'.length)}`
const md5 = digestOfBytes(Buffer.from('x'), 'md5')
const read = (data: unknown) => parseLibraryImage(bytesOf({ data }))

describe('what a library says of an image', () => {
  test('is read field by field', () => {
    const told = {
      id: '1731',
      size: 1134592,
      arch: 'amd64',
      uploaded: true,
      signed: true,
      encrypted: false,
      tags: ['1.2', 'latest'],
      description: 'A tool',
      entity: '1',
      entityName: 'biohpc',
      collection: '2',
      collectionName: 'Tools',
      container: '3',
      containerName: 'tool',
      containerDescription: 'All about it',
      containerStars: 0,
      containerDownloads: 5,
    }
    const odd = {
      hash,
      fingerprints: ['9fd33493b87ba1b2985b7992515c6a8733bfe17c'],
      createdAt: '2024-05-01T10:00:00Z',
      updatedAt: '2024-05-01T10:00:00.5+01:00',
      deletedAt: '0001-01-01T00:00:00Z',
      quota: null,
    }
    expect(read({ ...told, ...odd })).toEqual({
      ...told,
      digest: id,
      fingerprints: ['9FD33493B87BA1B2985B7992515C6A8733BFE17C'],
      createdAt: Date.UTC(2024, 4, 1, 10),
      updatedAt: Date.UTC(2024, 4, 1, 9, 0, 0, 500),
    })
  })

  test.each([
    ['sregistry, of an upload whose hash is still an md5', { hash: md5.slice(4), size: 12.5, container: md5.slice(4) }, md5],
    ['sregistry, of a size in quotes', { hash, size: '12' }, id],
    ['sregistry, of no size', { hash, size: null, createdBy: '1', deletedAt: '' }, id],
    ['hinkskalle, of times without a zone', { hash, size: null, createdAt: '2024-01-02T03:04:05', description: null }, id],
    ['nobody that we know', { hash: 7, tags: 'latest', signed: 'yes', arch: 'x86 64', createdAt: 'now' }, undefined],
    ['a server that says nothing', {}, undefined],
  ])('by %s', (_who, data, digest) => {
    const { digest: told, container, ...rest } = read(data)
    expect(told).toBe(digest)
    expect(rest.size ?? rest.createdAt ?? rest.tags?.length ?? rest.signed ?? rest.arch).toBeUndefined()
  })

  test.each(['', 'null', '[]', '{}', '"x"', '{"data":null}', '{"data":[]}', '{"data":"x"}', '<html>', '{"hash":"x"}'])(
    'is not in %s',
    (body) => expect(faultIn(() => parseLibraryImage(Buffer.from(body)), 'upstream-invalid')).toBe('upstream-invalid'),
  )

  test('is not taken from where every object has something', () => {
    expect(parseLibraryImage(Buffer.from(`{"data":{"__proto__":{"hash":"${hash}"}}}`)).digest).toBeUndefined()
  })

  test('never surprises', () => {
    const names = ['data', 'hash', 'size', 'tags', 'createdAt', 'arch', 'fingerprints', 'description', 'id']
    neverSurprises(parseLibraryImage, names, ['upstream-invalid'], [hash, '2024-05-01T10:00:00Z'])
  })
})

const word = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,20}$/)
const whole = fc.nat(2 ** 31)
const held: fc.Arbitrary<HeldLibraryImage> = fc.record(
  {
    digest: fc.constant(id),
    size: fc.maxSafeNat(),
    id: word,
    arch: fc.constantFrom('amd64', 'ppc64le', '386'),
    signed: fc.boolean(),
    encrypted: fc.boolean(),
    tags: fc.array(word, { maxLength: 3 }),
    fingerprints: fc.array(fc.stringMatching(/^[0-9A-F]{40}$/), { maxLength: 2 }),
    description: word.map((text) => `${text}\n${text}`),
    entityName: word,
    collectionName: word,
    containerName: word,
    containerStars: whole,
    createdAt: fc.nat(Date.UTC(9999, 0)),
    updatedAt: fc.nat(Date.UTC(9999, 0)),
  },
  { requiredKeys: ['digest', 'size'] },
)

describe('our own answer', () => {
  test('has the hash, the size in bytes, and what is known beside them', () => {
    expect(JSON.parse(printLibraryImage({ digest: id, size: 123, arch: 'arm64', createdAt: 0, tags: [] }))).toEqual({
      data: { hash, size: 123, arch: 'arm64', uploaded: true, createdAt: '1970-01-01T00:00:00.000Z', tags: [] },
    })
  })

  test('reads back as it was', () => {
    fc.assert(
      fc.property(held, (image) => {
        expect(parseLibraryImage(Buffer.from(printLibraryImage(image)))).toEqual({ ...image, uploaded: true })
      }),
    )
  })

  test('holds no field that a client gives up on', () => {
    const askew = { digest: id, size: 1, createdAt: Number.NaN, updatedAt: -62135596800000, id: '', containerStars: 1.5 }
    expect(JSON.parse(printLibraryImage(askew)).data).toEqual({ hash, size: 1, uploaded: true })
  })

  test.each([
    ['an md5', { digest: md5, size: 1 }],
    ['no hash', { size: 1 }],
    ['a size that is none', { digest: id, size: 1.5 }],
    ['no size', { digest: id }],
  ])('is not given with %s', (_name, image) =>
    expect(faultIn(() => printLibraryImage(image as HeldLibraryImage))).toBe('internal'),
  )
})
