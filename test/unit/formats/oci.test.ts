import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseManifest } from '../../../src/formats/oci.ts'
import { isFault } from '../../../src/model/fault.ts'
import { dockerList, dockerManifest, ociIndex, ociManifest } from '../../../src/model/media-type.ts'
import { blob } from '../../kit/blobs.ts'
import { artifact, image, multiPlatform, sif } from '../../kit/images.ts'

const bytes = (value: unknown) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const digest = blob(1).digest
const layer = { mediaType: 'a/b', digest, size: 5 }

function mistakeIn(value: unknown, contentType?: string): string | undefined {
  try {
    parseManifest(value instanceof Uint8Array ? value : bytes(value), contentType)
    return undefined
  } catch (error) {
    if (isFault(error, 'upstream-invalid')) return error.details.why
    throw error
  }
}

describe('what a manifest names', () => {
  test.each(['oci', 'docker'] as const)('the config and layers of an %s image, in order', (style) => {
    const { manifest, blobs } = image({ style, layers: [10, 20, 10] })
    const read = parseManifest(manifest.bytes, manifest.mediaType)
    expect(read).toMatchObject({ kind: 'manifest', mediaType: manifest.mediaType, subject: undefined })
    expect(read.children.map(({ digest, size, mediaType }) => ({ digest, size, mediaType }))).toEqual(
      blobs.map(({ digest, bytes, mediaType }) => ({ digest, size: bytes.length, mediaType })),
    )
  })

  test('the manifests of an index, with their platforms', () => {
    const index = multiPlatform({ style: 'docker' })
    const read = parseManifest(index.manifest.bytes, index.manifest.mediaType)
    expect(read.kind).toBe('index')
    expect(read.children.map(({ digest, platform }) => [digest, platform?.architecture])).toEqual([
      [index.children[0]!.manifest.digest, 'amd64'],
      [index.children[1]!.manifest.digest, 'arm64'],
    ])
  })

  test('subject and type of an artifact, the layer of a SIF', () => {
    const subject = image()
    const signature = artifact({ artifactType: 'test/signature', subject })
    expect(parseManifest(signature.manifest.bytes, ociManifest)).toMatchObject({
      artifactType: 'test/signature',
      subject: { digest: subject.manifest.digest },
    })
    const { manifest, blobs } = sif(1000)
    expect(parseManifest(manifest.bytes, undefined).children[1]).toMatchObject({ digest: blobs[1]!.digest, size: 1000 })
  })

  test('urls of foreign layers, and nothing that is no text among them', () => {
    const read = parseManifest(bytes({ layers: [{ ...layer, urls: ['https://a/b', 7, null] }], config: layer }), undefined)
    expect(read.children[1]!.urls).toEqual(['https://a/b'])
  })

  test.each([
    ['a file', 'file:///etc/passwd'],
    ['a password', 'https://user:secret@a/b'],
    ['something relative', '/v2/a/b'],
    ['something endless', `https://a/${'b'.repeat(2100)}`],
  ])('no place of %s', (_, url) => {
    const read = parseManifest(bytes({ layers: [{ ...layer, urls: [url, 'http://c/d#e'] }], config: layer }), undefined)
    expect(read.children[1]!.urls).toEqual(['http://c/d'])
  })

  test('no more places of one layer than anybody would try', () => {
    const urls = Array.from({ length: 100 }, (_, at) => `https://a/${at}`)
    const read = parseManifest(bytes({ layers: [{ ...layer, urls }], config: { ...layer, urls: 'https://a/b' } }), undefined)
    expect(read.children.map(({ urls }) => urls.length)).toEqual([0, 16])
  })

  test('an artifact manifest has blobs and no config', () => {
    const type = 'application/vnd.oci.artifact.manifest.v1+json'
    expect(parseManifest(bytes({ mediaType: type, blobs: [layer] }), type).children).toHaveLength(1)
  })
})

describe('its type', () => {
  const index = { manifests: [] }
  test.each([
    { name: 'the header wins', document: { ...index, mediaType: ociIndex }, header: dockerList, want: dockerList },
    { name: 'parameters do not matter', document: index, header: `${ociIndex}; charset=utf-8`, want: ociIndex },
    { name: 'capitals do not matter', document: index, header: ociIndex.toUpperCase(), want: ociIndex },
    { name: 'text/plain is overruled', document: { ...index, mediaType: dockerList }, header: 'text/plain', want: dockerList },
    { name: 'without a word a list is an index', document: index, header: undefined, want: ociIndex },
    { name: 'layers and config are a manifest', document: { layers: [], config: layer }, header: undefined, want: ociManifest },
    {
      name: "docker's config makes it docker's",
      document: { layers: [], config: { ...layer, mediaType: 'application/vnd.docker.container.image.v1+json' } },
      header: '',
      want: dockerManifest,
    },
  ])('$name', ({ document, header, want }) => expect(parseManifest(bytes(document), header).mediaType).toBe(want))

  test.each([
    { schemaVersion: 1, mediaType: ociManifest },
    { fsLayers: [], layers: [], config: layer },
    { mediaType: 'text/html', layers: [], config: layer },
    { mediaType: 'application/vnd.oci.image.config.v1+json' },
    { mediaType: '../../x', foo: 1 },
    {},
    { layers: [] },
  ])('%j is none we take', (document) => expect(mistakeIn(document, 'application/json')).toBeTruthy())
})

describe('bad documents', () => {
  const of = (wrong: object) => ({ config: layer, layers: [{ ...layer, ...wrong }] })
  test.each([
    '',
    'null',
    '[]',
    '"text"',
    '{',
    'PK\u0003\u0004',
    { manifests: {}, mediaType: ociIndex },
    { mediaType: ociIndex },
    { config: layer, layers: 'x', mediaType: ociManifest },
    { config: [], layers: [], mediaType: ociManifest },
    { config: layer, layers: [null] },
    of({ digest: undefined }),
    of({ digest: 7 }),
    of({ digest: 'sha256:../../../etc/passwd' }),
    of({ digest: digest.toUpperCase() }),
    of({ size: -1 }),
    of({ size: 1.5 }),
    of({ size: '5' }),
    of({ size: 1e300 }),
    of({ size: undefined }),
    { ...of({}), subject: { digest: 'x' } },
  ])('%j is a mistake of the upstream', (document) => expect(mistakeIn(document)).toBeTruthy())

  test('bytes that are no UTF-8 are refused', () => expect(mistakeIn(Buffer.from([0x7b, 0xff, 0x7d]))).toBeTruthy())

  test('nesting as deep as 4 MiB allows does no harm', () => {
    const deep = '['.repeat(2 ** 21) + ']'.repeat(2 ** 21)
    expect(mistakeIn(deep)).toBeTruthy()
    expect(mistakeIn(`{"manifests":[],"x":${deep}}`)).toBeUndefined()
  })

  test('more than ten thousand children are refused', () => {
    const many = (count: number) => ({ manifests: Array.from({ length: count }, () => layer), mediaType: ociIndex })
    expect(mistakeIn(many(10_000))).toBeUndefined()
    expect(mistakeIn(many(10_001))).toBeTruthy()
  })

  test('names that every object has are not read as fields', () => {
    expect(mistakeIn('{"__proto__":{"manifests":[]}}')).toBeTruthy()
    expect(mistakeIn({ manifests: [] }, 'constructor')).toBeUndefined()
  })

  test('anything at all ends in a manifest or one kind of fault', () => {
    const leaf = fc.oneof(fc.string(), fc.integer(), fc.constant(null), fc.constant(digest), fc.constant(layer), fc.boolean())
    const keys = fc.constantFrom(
      'mediaType',
      'layers',
      'config',
      'manifests',
      'digest',
      'size',
      'subject',
      'platform',
      'urls',
      'blobs',
    )
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof({ depthSize: 'small' }, leaf, fc.array(tie('value'), { maxLength: 3 }), fc.dictionary(keys, tie('value'))),
    }))
    const types = fc.option(fc.constantFrom(ociManifest, ociIndex, dockerManifest, 'text/plain', ''), { nil: undefined })
    fc.assert(
      fc.property(value, types, (document, type) => void mistakeIn(bytes(document ?? ''), type)),
      { numRuns: 1000 },
    )
    fc.assert(fc.property(fc.uint8Array(), (noise) => mistakeIn(noise) !== undefined))
  })

  test('any truncation of a good document is refused', () => {
    const whole = image().manifest
    for (let end = 0; end < whole.bytes.length; end += 7)
      expect(mistakeIn(whole.bytes.subarray(0, end), ociManifest)).toBeTruthy()
  })
})
