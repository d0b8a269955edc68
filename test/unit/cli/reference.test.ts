import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type Names, parseBlobTarget, parseTarget } from '../../../src/cli/reference.ts'
import { Fault } from '../../../src/model/fault.ts'
import type { UpstreamId } from '../../../src/model/reference.ts'

const digest = `sha256:${'ab'.repeat(32)}`
const upstream = (id: string, url: string, hosts: readonly string[] = []) => ({ id: id as UpstreamId, url: new URL(url), hosts })
const names: Names = {
  upstreams: [
    upstream('docker.io', 'https://registry-1.docker.io', ['hub.site.example']),
    upstream('ghcr.io', 'https://ghcr.io'),
    upstream('lab', 'http://lab.example:5000'),
    upstream('registry.example:5000', 'https://registry.example:5000'),
    upstream('mirror', 'https://registry-1.docker.io'),
  ],
  fallback: 'docker.io' as UpstreamId,
}
const withoutFallback: Names = { ...names, fallback: undefined }

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
    ['library://entity/collection/name:1', 'request-invalid'],
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
    expect(codeOf(() => parseTarget('ubuntu', withoutFallback))).toBe('upstream-unknown')
    expect(codeOf(() => parseTarget('ghcr.io/x', withoutFallback))).toBe('none')
  })

  test('what is refused says what else could be written', () => {
    expect(() => parseTarget('library://a/b/c', names)).toThrow('library:// is none of docker://, oras://')
  })
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
