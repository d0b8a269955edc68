import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  parseStaticManifest,
  parseStaticPath,
  parseStaticTags,
  printStaticManifest,
  printStaticTags,
} from '../../../src/formats/static-registry.ts'
import type { BlobId } from '../../../src/model/digest.ts'
import { blob, digestOfBytes } from '../../kit/blobs.ts'
import { bytesOf, faultIn, neverSurprises } from '../../kit/hostile.ts'

const sha256 = blob(10).digest
const md5 = digestOfBytes(Buffer.from('x'), 'md5')
const url = 'https://ci.example/artifacts/tool.simg'
const manifest = (layer: object, ...more: object[]) =>
  bytesOf({
    schemaVersion: 2,
    mediaType: 'application/vnd.singularity.distribution.manifest.v2+json',
    config: { mediaType: 'application/vnd.singularity.container.image.v1+json', size: 1160, digest: md5 },
    layers: [
      { mediaType: 'application/vnd.singularity.image.squashfs', size: 1160, digest: md5, urls: [url], ...layer },
      ...more,
    ],
  })

describe('a static manifest', () => {
  test('names the digest and the places of one image, and its size is not believed', () => {
    expect(parseStaticManifest(manifest({}))).toEqual({ digest: md5, urls: [url] })
    expect(parseStaticManifest(manifest({ digest: sha256.toUpperCase().replace('SHA256', 'sha256'), size: 'x' })).digest).toBe(
      sha256,
    )
  })

  test('may name several places, of which each usable one counts once', () => {
    const urls = [
      url,
      'ftp://a.example/x',
      '/x',
      7,
      null,
      'https://u:p@a.example/x',
      `https://a.example/${'x'.repeat(9000)}`,
      url,
    ]
    expect(parseStaticManifest(manifest({ urls: [...urls, 'http://b.example/y z'] })).urls).toEqual([
      url,
      'http://b.example/y%20z',
    ])
    const many = Array.from({ length: 1000 }, (_, index) => `https://a.example/${index}`)
    expect(parseStaticManifest(manifest({ urls: many })).urls).toHaveLength(100)
  })

  test.each([
    ['no layer', bytesOf({ layers: [] })],
    ['two layers', manifest({}, { digest: md5, urls: [url] })],
    ['layers that are no list', bytesOf({ layers: { 0: {}, length: 1 } })],
    ['a layer that is none', bytesOf({ layers: [null] })],
    ['no digest', manifest({ digest: undefined })],
    ['a digest of the wrong length', manifest({ digest: `sha256:${md5.slice(4)}` })],
    ['a bare digest', manifest({ digest: md5.slice(4) })],
    ['no place', manifest({ urls: undefined })],
    ['no place to be asked', manifest({ urls: ['tool.simg'] })],
    ['a page of HTML', Buffer.from('<html>404</html>')],
  ])('with %s is a mistake of the upstream', (_name, body) => {
    expect(faultIn(() => parseStaticManifest(body))).toBe('upstream-invalid')
  })

  test('is no surprise', () =>
    neverSurprises(parseStaticManifest, ['layers', 'digest', 'urls', 'config'], ['upstream-invalid'], [md5, url, [url]]))

  test('is printed with our own URL first, with the digest it came with, and with the sha256 once that is known', () => {
    const own = 'https://proxy.example/blobs/sha256/x'
    const printed = printStaticManifest({ digest: md5, sha256: sha256 as BlobId, size: 10, urls: [own, url] })
    expect(JSON.parse(printed)).toMatchObject({
      schemaVersion: 2,
      config: { size: 10, digest: md5 },
      layers: [{ size: 10, digest: md5, sha256: sha256.slice(7), urls: [own, url] }],
    })
    expect(parseStaticManifest(Buffer.from(printed))).toEqual({ digest: md5, sha256, urls: [own, url] })
    const early = printStaticManifest({ digest: md5, urls: [own] })
    expect(JSON.parse(early).layers).toEqual([{ mediaType: expect.any(String), digest: md5, urls: [own] }])
  })

  test('is not printed without a URL that clients can ask', () => {
    expect(faultIn(() => printStaticManifest({ digest: md5, urls: [] }))).toBe('internal')
    expect(faultIn(() => printStaticManifest({ digest: md5, urls: ['/x'] }))).toBe('internal')
  })
})

describe('a static list of tags', () => {
  test('is read without the README and what else is no tag', () => {
    const body = bytesOf({ name: 'lab/tool', tags: ['latest', 'README.md', '', 7, '../x', 'v1'] })
    expect(parseStaticTags(body)).toEqual({ name: 'lab/tool', tags: ['latest', 'v1'] })
  })

  test('reads back as it was', () => {
    const tags = { name: 'lab/tool', tags: ['latest', 'v1'] }
    expect(parseStaticTags(Buffer.from(printStaticTags(tags)))).toEqual(tags)
  })

  test.each(['{}', '[]', '{"tags":"latest"}', '{"tags":null}'])('is not %s', (body) =>
    expect(faultIn(() => parseStaticTags(Buffer.from(body)))).toBe('upstream-invalid'),
  )

  test('is no surprise', () => neverSurprises(parseStaticTags, ['name', 'tags']))
})

describe('a static path', () => {
  test.each([
    ['lab/tool/manifests/latest', { kind: 'manifest', name: 'lab/tool', pointer: 'latest' }],
    ['lab/tool/manifests/latest/', { kind: 'manifest', name: 'lab/tool', pointer: 'latest' }],
    ['A/b/c/d/manifests/1.0', { kind: 'manifest', name: 'A/b/c/d', pointer: '1.0' }],
    ['lab/tool/blobs/latest', { kind: 'image', name: 'lab/tool', pointer: 'latest' }],
    ['manifests/manifests/tags', { kind: 'tags', name: 'manifests/manifests' }],
    ['lab/tool/tags', { kind: 'tags', name: 'lab/tool' }],
    ['lab/tool/tags/', { kind: 'tags', name: 'lab/tool' }],
    ['lab/%74ool/tags/', { kind: 'tags', name: 'lab/tool' }],
    ['lab/tool', undefined],
    ['manifests/latest', undefined],
    ['lab/toString/latest', undefined],
    ['tags', undefined],
    ['', undefined],
  ])('%s asks for %j', (path, want) => expect(parseStaticPath(path)).toEqual(want))

  test.each([
    ['lab/../manifests/latest', 'name-invalid'],
    ['lab%2ftool/manifests/latest', 'name-invalid'],
    ['/tags', 'name-invalid'],
    ['lab//tool/tags', 'name-invalid'],
    ['lab/manifests/.x', 'tag-invalid'],
    ['lab/manifests/sha256:x', 'tag-invalid'],
  ])('%s is %s', (path, code) => expect(faultIn(() => parseStaticPath(path))).toBe(code))

  test('ends in an answer or in one of two faults, whatever it is', () => {
    const characters = fc.constantFrom('a', '/', '//', 'manifests', 'tags', '/manifests/', ':', '.', '%', '%2f', '\0')
    const path = fc.array(characters, { maxLength: 10 }).map((parts) => parts.join(''))
    fc.assert(fc.property(path, (text) => void faultIn(() => parseStaticPath(text), 'name-invalid', 'tag-invalid')))
  })
})
