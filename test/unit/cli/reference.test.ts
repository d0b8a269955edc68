import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { NamedPlace, Names } from '../../../src/cli/named-reference.ts'
import { parseBlobTarget, parseTarget } from '../../../src/cli/reference.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { UpstreamId } from '../../../src/model/reference.ts'

const digest = `sha256:${'ab'.repeat(32)}`
const upstream = (id: string, url: string, hosts: readonly string[] = [], kind: NamedPlace['kind'] = 'oci') => ({
  id: id as UpstreamId,
  kind,
  url: new URL(url),
  hosts,
})
const names: Names = {
  upstreams: [
    upstream('docker.io', 'https://registry-1.docker.io', ['hub.site.example']),
    upstream('ghcr.io', 'https://ghcr.io'),
    upstream('lab', 'http://lab.example:5000'),
    upstream('registry.example:5000', 'https://registry.example:5000'),
    upstream('mirror', 'https://registry-1.docker.io'),
    upstream('sylabs', 'https://library.sylabs.example', [], 'library'),
    upstream('site', 'https://lib.site.example/lib', [], 'library'),
    upstream('hub', 'https://hub.example', [], 'shub'),
    upstream('archive', 'https://old.hub.example:444', [], 'shub'),
    upstream('storage', 'https://pages.example/storage', [], 'static'),
    upstream('data', 'https://data.example/pub', [], 'files'),
    upstream('deep', 'https://data.example/pub/deep/', [], 'files'),
  ],
  defaults: { oci: 'docker.io' as UpstreamId, library: 'sylabs' as UpstreamId, shub: 'hub' as UpstreamId },
  own: ['forebay.example', '127.0.0.1:8080'],
  arch: 'amd64',
}
const withoutDefaults: Names = { ...names, defaults: {} }

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof Fault) return error.code
    throw error
  }
  return 'none'
}

describe('an image', () => {
  test.each([
    ['docker://docker.io/library/ubuntu:24.04', 'docker.io', 'library/ubuntu', '24.04'],
    ['docker.io/library/ubuntu:24.04', 'docker.io', 'library/ubuntu', '24.04'],
    ['docker.io/ubuntu', 'docker.io', 'library/ubuntu', 'latest'],
    ['docker://ubuntu:24.04', 'docker.io', 'library/ubuntu', '24.04'],
    ['ubuntu', 'docker.io', 'library/ubuntu', 'latest'],
    ['biocontainers/samtools:1.9', 'docker.io', 'biocontainers/samtools', '1.9'],
    ['index.docker.io/ubuntu:1', 'docker.io', 'library/ubuntu', '1'],
    ['registry-1.docker.io/a/b:1', 'docker.io', 'a/b', '1'],
    ['DOCKER.IO/a/b:1', 'docker.io', 'a/b', '1'],
    ['hub.site.example/ubuntu:1', 'docker.io', 'library/ubuntu', '1'],
    ['mirror/ubuntu:1', 'mirror', 'library/ubuntu', '1'],
    ['oras://ghcr.io/org/tool:v1', 'ghcr.io', 'org/tool', 'v1'],
    ['ghcr.io:443/org/tool:v1', 'ghcr.io', 'org/tool', 'v1'],
    ['ghcr.io/tool', 'ghcr.io', 'tool', 'latest'],
    ['lab/a/b/c:Tag_1', 'lab', 'a/b/c', 'Tag_1'],
    ['registry.example:5000/x', 'registry.example:5000', 'x', 'latest'],
    ['registry.example:5000/x:2', 'registry.example:5000', 'x', '2'],
    [`ghcr.io/org/tool@${digest}`, 'ghcr.io', 'org/tool', digest],
    [`ghcr.io/org/tool:v1@${digest}`, 'ghcr.io', 'org/tool', digest],
  ])('%s is %s, %s, %s', (text, upstream, repository, pointer) =>
    expect(parseTarget(text, names)).toEqual({ kind: 'manifest', upstream, repository, pointer }),
  )

  test.each([
    ['quay.io/org/tool:v1', 'upstream-unknown'],
    ['localhost/x', 'upstream-unknown'],
    ['127.0.0.1:5000/x', 'upstream-unknown'],
    ['https://ghcr.io/org/tool', 'request-invalid'],
    ['docker://', 'name-invalid'],
    ['', 'name-invalid'],
    [':latest', 'name-invalid'],
    ['ghcr.io/', 'name-invalid'],
    ['ghcr.io/../etc/passwd', 'name-invalid'],
    ['ghcr.io//x', 'name-invalid'],
    ['/etc/passwd', 'name-invalid'],
    ['ghcr.io/Org/tool', 'name-invalid'],
    ['ghcr.io/org/tool:', 'tag-invalid'],
    ['ghcr.io/org/tool:-x', 'tag-invalid'],
    ['ghcr.io/org/tool:a b', 'tag-invalid'],
    ['ghcr.io/org/tool@sha256:abc', 'digest-invalid'],
    ['ghcr.io/org/tool@', 'digest-invalid'],
    ['sha256:abc', 'digest-invalid'],
    [digest.toUpperCase(), 'name-invalid'],
  ])('"%s" is refused as %s', (text, code) => expect(codeOf(() => parseTarget(text, names))).toBe(code))

  test('without a registry needs one that is meant by default', () => {
    expect(codeOf(() => parseTarget('ubuntu', withoutDefaults))).toBe('upstream-unknown')
    expect(codeOf(() => parseTarget('ghcr.io/x', withoutDefaults))).toBe('none')
  })

  test('what is refused says what else could be written', () => {
    expect(() => parseTarget('ftp://a/b/c', names)).toThrow('ftp:// is none of docker://, oras://, library://')
  })
})

describe('an image that is one file', () => {
  test.each([
    ['library://entity/collection/name:1', 'sylabs', 'entity/collection/name', '1'],
    ['library://entity/collection/name', 'sylabs', 'entity/collection/name', 'latest'],
    ['library://name:1', 'sylabs', 'name', '1'],
    ['library://sylabs/collection/name:1', 'sylabs', 'sylabs/collection/name', '1'],
    ['library://site/e/c/n:1', 'site', 'e/c/n', '1'],
    ['library://lib.site.example/e/c/n:1', 'site', 'e/c/n', '1'],
    ['library://forebay.example/e/c/n:1', 'sylabs', 'e/c/n', '1'],
    ['library://127.0.0.1:8080/e/c/n:1', 'sylabs', 'e/c/n', '1'],
    ['library://e/c/n:1?arch=amd64', 'sylabs', 'e/c/n', '1'],
    [`library://e/c/n:sha256.${'ab'.repeat(32)}`, 'sylabs', 'e/c/n', `sha256.${'ab'.repeat(32)}`],
    ['sylabs/e/c/n:1', 'sylabs', 'e/c/n', '1'],
    ['site/n', 'site', 'n', 'latest'],
    ['shub://collection/name:1', 'hub', 'collection/name', '1'],
    ['shub://collection/Name', 'hub', 'collection/Name', 'latest'],
    [`shub://collection/name:1@${'a'.repeat(40)}`, 'hub', 'collection/name', `1@${'a'.repeat(40)}`],
    ['shub://archive/collection/name:1', 'archive', 'collection/name', '1'],
    ['shub://old.hub.example:444/collection/name:1', 'archive', 'collection/name', '1'],
    ['archive/collection/name:1', 'archive', 'collection/name', '1'],
    ['storage/a/b:1', 'storage', 'a/b', '1'],
    ['storage/a', 'storage', 'a', 'latest'],
    ['https://pages.example/storage/a/b/manifests/1/', 'storage', 'a/b', '1'],
    ['https://forebay.example/static/storage/a/b/manifests/1', 'storage', 'a/b', '1'],
  ])('%s is %s, %s, %s', (text, upstream, name, pointer) =>
    expect(parseTarget(text, names)).toEqual({ kind: 'image', upstream, name, pointer, arch: undefined }),
  )

  test('is that of another architecture where that is said, or this machine is of another', () => {
    const arm = { ...names, arch: 'arm64' }
    expect(parseTarget('library://e/c/n:1?arch=arm64', names)).toMatchObject({ name: 'e/c/n', pointer: '1', arch: 'arm64' })
    expect(parseTarget('library://e/c/n:1', arm)).toMatchObject({ arch: 'arm64' })
    expect(parseTarget('library://e/c/n:1?arch=amd64', arm)).toMatchObject({ arch: undefined })
    expect(parseTarget('shub://c/n', arm)).toMatchObject({ arch: undefined })
  })

  test.each([
    ['library://elsewhere.example/e/c/n:1', 'upstream-unknown'],
    ['library://hub/e/c/n:1', 'upstream-unknown'],
    ['library://a/b/c/d/e:1', 'upstream-unknown'],
    ['library://e/c/n@sha256:abc', 'not-found'],
    ['library://e/c/n:1?arch=x y', 'request-invalid'],
    ['library://../c/n', 'name-invalid'],
    ['shub://name', 'name-invalid'],
    ['shub://c/n@not-a-version', 'tag-invalid'],
    ['storage/a:b:c', 'tag-invalid'],
    ['https://pages.example/storage/a/tags/', 'request-invalid'],
    ['https://pages.example/elsewhere/a/manifests/1', 'request-invalid'],
    ['docker://sylabs/c/n:1', 'none'], // to docker it is a name at its default registry
  ])('"%s" is refused as %s', (text, code) => expect(codeOf(() => parseTarget(text, names))).toBe(code))

  test('needs an upstream that is meant by default', () => {
    expect(codeOf(() => parseTarget('library://e/c/n', withoutDefaults))).toBe('upstream-unknown')
    expect(codeOf(() => parseTarget('library://site/e/c/n', withoutDefaults))).toBe('none')
  })
})

describe('a plain file', () => {
  test.each([
    ['https://data.example/pub/a/x.sif', 'data', 'a/x.sif'],
    ['HTTPS://data.example/pub/a%20b/x.sif', 'data', 'a%20b/x.sif'],
    ['https://data.example/pub/deep/x.sif', 'deep', 'x.sif'],
    ['https://data.example/pub/deeper/x.sif', 'data', 'deeper/x.sif'],
    ['https://forebay.example/files/data/a/x.sif', 'data', 'a/x.sif'],
    ['http://127.0.0.1:8080/files/data/x.sif', 'data', 'x.sif'],
    ['data/a/x.sif', 'data', 'a/x.sif'],
    ['data/a b.sif', 'data', 'a%20b.sif'],
  ])('%s is %s, %s', (text, upstream, path) => expect(parseTarget(text, names)).toEqual({ kind: 'file', upstream, path }))

  test.each([
    ['https://data.example/public/x', 'request-invalid'],
    ['http://data.example/pub/x', 'request-invalid'],
    ['https://data.example/pub/x?token=abc', 'request-invalid'],
    ['https://u:p@data.example/pub/x', 'request-invalid'],
    ['https://forebay.example/files/nowhere/x', 'upstream-unknown'],
    ['https://forebay.example/v2/x', 'request-invalid'],
    ['https://data.example/pub/%2e%2e/x', 'request-invalid'],
    ['https://[', 'request-invalid'],
    ['data/../x', 'name-invalid'],
  ])('"%s" is refused as %s', (text, code) => expect(codeOf(() => parseTarget(text, names))).toBe(code))

  test('what a URL of it hides is not told', () => {
    for (const secret of ['https://data.example/pub/x?token=hush', 'https://user:hush@data.example/pub/x'])
      expect(() => parseTarget(secret, names)).toThrow(/^(?!.*hush)/)
  })

  test('our URL of a blob is the blob', () =>
    expect(parseTarget(`https://forebay.example/blobs/sha256/${'ab'.repeat(32)}`, names)).toEqual({ kind: 'digest', digest }))
})

describe('a blob', () => {
  test('is a digest alone', () => {
    expect(parseTarget(digest, names)).toEqual({ kind: 'digest', digest })
    expect(parseBlobTarget(digest, names)).toEqual({ kind: 'digest', digest })
  })
  test('is a digest in a repository', () =>
    expect(parseBlobTarget(`ghcr.io/org/tool@${digest}`, names)).toEqual({
      kind: 'blob',
      upstream: 'ghcr.io',
      repository: 'org/tool',
      digest,
    }))
  test('is no file, and no image that is one', () => {
    for (const text of ['data/x.sif', 'library://e/c/n'])
      expect(codeOf(() => parseBlobTarget(text, names))).toBe('request-invalid')
  })
  test('is not a tag', () => expect(codeOf(() => parseBlobTarget('ghcr.io/org/tool:v1', names))).toBe('request-invalid'))
})

test('any text is a target of a known upstream, or a Fault', () => {
  const parts = fc.array(
    fc.constantFrom('docker://', 'ghcr.io', 'lab', '/', ':', '@', 'a', digest, 'sha256:', '..', '%2f', '\0', ' '),
  )
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        parts.map((all) => all.join('')),
      ),
      (text) => {
        let target: ReturnType<typeof parseTarget>
        try {
          target = parseTarget(text, names)
        } catch (error) {
          expect(error).toBeInstanceOf(Fault)
          expect((error as Fault).message.length).toBeLessThan(700)
          return
        }
        if (target.kind !== 'manifest') return
        expect(names.upstreams.map(({ id }) => id)).toContain(target.upstream)
        expect(target.repository).toMatch(/^[a-z0-9][a-z0-9._/-]*$/)
        expect(target.repository.split('/')).not.toContain('..')
      },
    ),
  )
})

test('what is printed of a target is read as the same target', () => {
  const name = fc.stringMatching(/^[a-z0-9]{1,9}(\/[a-z0-9]{1,9}([._-][a-z0-9]{1,5})?){1,3}$/)
  const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/)
  fc.assert(
    fc.property(fc.constantFrom('docker.io', 'ghcr.io', 'lab'), name, tag, (upstream, repository, pointer) => {
      const read = parseTarget(`oras://${upstream}/${repository}:${pointer}`, names)
      expect(read).toEqual({ kind: 'manifest', upstream, repository, pointer })
    }),
  )
})
