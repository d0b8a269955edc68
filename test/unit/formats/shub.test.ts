import { describe, expect, test } from 'vitest'
import { type OwnShubManifest, parseShubManifest, printShubManifest } from '../../../src/formats/shub.ts'
import { blob, digestOfBytes } from '../../kit/blobs.ts'
import { bytesOf, faultIn, neverSurprises } from '../../kit/hostile.ts'

const image = 'https://hub.example/containers/7/download/5e-cr-et'
const sha256 = blob(10).digest
const md5 = digestOfBytes(Buffer.from('x'), 'md5')

describe('the manifest of a shub registry', () => {
  test('is read field by field', () => {
    const told = {
      id: 7,
      name: 'tool',
      image,
      tag: 'latest',
      add_date: '2019-03-15T19:02:24.015Z',
      metrics: {},
      metadata: { a: { b: [] } },
      version: `sha256.${sha256.slice(7)}`,
      frozen: false,
      collection: 'Lab',
      commit: 'c0ffee',
      branch: 'main',
      size_mb: '12',
    }
    expect(parseShubManifest(bytesOf(told))).toEqual({
      id: '7',
      name: 'tool',
      image,
      tag: 'latest',
      addedAt: Date.UTC(2019, 2, 15, 19, 2, 24, 15),
      version: told.version,
      digest: sha256,
      frozen: false,
      collection: 'Lab',
      commit: 'c0ffee',
      branch: 'main',
    })
  })

  test.each([
    ['an md5', md5.slice(4), md5],
    ['a commit', 'ab'.repeat(20), undefined],
    ['none', null, undefined],
    ['a number', 3, undefined],
  ])('may have %s for a version', (_what, version, digest) => {
    expect(parseShubManifest(bytesOf({ image, version }))?.digest).toBe(digest)
  })

  test('is not there where the answer is an empty object', () => expect(parseShubManifest(bytesOf({}))).toBeUndefined())

  test('is refused with the number 429 where there were too many requests', () => {
    expect(faultIn(() => parseShubManifest(Buffer.from('429')))).toBe('upstream-limited')
    expect(faultIn(() => parseShubManifest(Buffer.from('"429"')))).toBe('upstream-limited')
  })

  test.each([
    '400',
    '',
    'null',
    '[]',
    '[429]',
    '<html>429</html>',
    '{"image":null}',
    '{"image":""}',
    '{"image":"/containers/7"}',
    '{"image":["https://a.example/x"]}',
    '{"image":"ftp://a.example/x"}',
    '{"image":"https://user:pass@a.example/x"}',
    '{"name":"x","tag":"y"}',
    '{"__proto__":{"image":"https://a.example/x"}}',
    '{"toString":1}',
  ])('is not %s', (body) => expect(faultIn(() => parseShubManifest(Buffer.from(body)))).toBe('upstream-invalid'))

  test('is no surprise', () =>
    neverSurprises(
      parseShubManifest,
      ['image', 'version', 'commit', 'name', 'add_date', 'frozen'],
      ['upstream-invalid', 'upstream-limited'],
      [image, 429, md5.slice(4)],
    ))
})

describe('our own manifest', () => {
  const own: OwnShubManifest = {
    image: 'https://proxy.example/shub/hub/image/Lab/tool:latest',
    commit: sha256.slice(7, 47),
    collection: 'Lab',
    name: 'tool',
    tag: 'latest',
    version: `sha256.${sha256.slice(7)}`,
  }

  test('has all that any client reads, and reads back as it was', () => {
    expect(JSON.parse(printShubManifest({ ...own, addedAt: 0 }))).toEqual({ ...own, add_date: '1970-01-01T00:00:00.000Z' })
    expect(parseShubManifest(Buffer.from(printShubManifest(own)))).toEqual({ ...own, digest: sha256 })
  })

  test.each([
    ['no commit', { commit: '' }],
    ['a commit that is a path', { commit: '../../x' }],
    ['a short commit', { commit: 'abc' }],
    ['a relative image', { image: '/x' }],
    ['an image without a scheme that clients know', { image: 'ftp://a.example/x' }],
    ['no name', { name: '' }],
    ['no version', { version: undefined }],
  ])('is not given with %s', (_name, wrong) => {
    expect(faultIn(() => printShubManifest({ ...own, ...wrong } as OwnShubManifest))).toBe('internal')
  })
})
