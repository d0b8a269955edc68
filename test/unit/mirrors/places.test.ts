import { expect, test } from 'vitest'
import { urlAt } from '../../../src/mirrors/places.ts'
import { parseDigest } from '../../../src/model/digest.ts'
import type { Repository, UpstreamId } from '../../../src/model/reference.ts'

const hex = 'ab'.repeat(32)
const reference = (digest: string) => ({
  kind: 'blob' as const,
  upstream: 'lab.example' as UpstreamId,
  repository: 'lab/tool' as Repository,
  digest: parseDigest(digest),
})
const sha256 = reference(`sha256:${hex}`)
const sha512 = reference(`sha512:${'cd'.repeat(64)}`)

test.each([
  ['registry', 'https://m.example', `https://m.example/v2/lab/tool/blobs/sha256:${hex}`],
  ['registry', 'https://m.example/docker/', `https://m.example/v2/docker/lab/tool/blobs/sha256:${hex}`],
  ['origin', 'https://r.example/artifactory/x/', `https://r.example/artifactory/x/v2/lab/tool/blobs/sha256:${hex}`],
  ['forebay', 'http://f.example:8080', `http://f.example:8080/blobs/sha256/${hex}`],
  ['forebay', 'http://f.example/below/', `http://f.example/below/blobs/sha256/${hex}`],
  ['tree', 'file:///cvmfs/images.example/docker', `file:///cvmfs/images.example/docker/blobs/sha256/${hex}`],
  ['tree', 'https://t.example/a%20b/', `https://t.example/a%20b/blobs/sha256/${hex}`],
] as const)('a %s at %s has a blob at %s', (kind, base, url) => {
  expect(urlAt(kind, new URL(base), sha256)?.href).toBe(url)
})

test.each(['forebay', 'tree'] as const)('a %s has no name for what is known by sha512 alone', (kind) => {
  expect(urlAt(kind, new URL('http://a.example'), sha512)).toBeUndefined()
})

test('a registry has one', () => {
  expect(urlAt('registry', new URL('http://a.example'), sha512)?.pathname).toBe(`/v2/lab/tool/blobs/${sha512.digest}`)
})
