import { describe, expect, test } from 'vitest'
import { dockerList, ociIndex } from '../../../src/model/media-type.ts'
import { blob, content, digestOfBytes, json, MiB } from '../../kit/blobs.ts'
import { faultOf } from '../../kit/bytes.ts'
import { image } from '../../kit/images.ts'
import { asking, blobNamed, manifestNamed } from '../../kit/questions.ts'
import type { UpstreamBench } from './bench.ts'

/** What becomes of tags and manifests. */
export function manifestPromises(bench: UpstreamBench): void {
  const { start, fetchOf, found, layer, app } = bench

  describe('manifests', () => {
    test.each(['v1', app.manifest.digest, app.children[1]!.manifest.digest])('%s is found, byte for byte', async (pointer) => {
      const upstream = await start()
      const wanted = pointer === app.children[1]!.manifest.digest ? app.children[1]!.manifest : app.manifest
      expect(await upstream.resolve(manifestNamed(pointer), asking())).toMatchObject({
        outcome: 'found',
        document: wanted.bytes,
        artifact: { mediaType: wanted.mediaType, size: wanted.bytes.length, digests: [wanted.digest] },
      })
    })

    test('a sha512 digest is checked and comes with its sha256', async () => {
      const upstream = await start()
      const strong = { ...app.manifest, digest: digestOfBytes(app.manifest.bytes, 'sha512') }
      bench.registry.pushManifest('lab/tool', strong)
      expect((await found(upstream, strong.digest)).digests).toEqual([strong.digest, app.manifest.digest])
    })

    test('what is not there is missing, which is no fault', async () => {
      const upstream = await start()
      expect(await upstream.resolve(manifestNamed('v2'), asking())).toEqual({ outcome: 'missing' })
      expect(await upstream.resolve(manifestNamed('v1', 'lab/none'), asking())).toEqual({ outcome: 'missing' })
      expect(await upstream.resolve(blobNamed(blob(9).digest), asking())).toEqual({ outcome: 'missing' })
    })

    test('a tag that has not moved costs one HEAD and no body', async () => {
      const upstream = await start()
      const known = await found(upstream, 'v1')
      const before = bench.registry.requests.length
      expect(await upstream.resolve(manifestNamed('v1'), asking(), known)).toMatchObject({ outcome: 'unchanged' })
      expect(bench.registry.requests.slice(before).map(({ method }) => method)).toEqual(['HEAD'])
    })

    test('a tag that has moved brings the new manifest', async () => {
      const upstream = await start()
      const known = await found(upstream, 'v1')
      const next = image({ seed: 'next' })
      bench.registry.push('lab/tool', next, 'v1')
      const answer = await upstream.resolve(manifestNamed('v1'), asking(), known)
      expect(answer).toMatchObject({ outcome: 'found', document: next.manifest.bytes })
    })

    test.each([{ status: 404 }, { status: 405 }, { headers: { 'docker-content-digest': undefined } }])(
      'a HEAD that answers %j is not believed where GET knows better',
      async (fault) => {
        const upstream = await start()
        const known = await found(upstream, 'v1')
        bench.registry.fault({ method: 'HEAD' }, fault)
        expect(await upstream.resolve(manifestNamed('v1'), asking(), known)).toMatchObject({ outcome: 'found' })
        bench.registry.untag('lab/tool', 'v1')
        expect(await upstream.resolve(manifestNamed('v1'), asking(), known)).toEqual({ outcome: 'missing' })
      },
    )

    test('bytes that are not those of the digest are corrupt', async () => {
      const upstream = await start()
      bench.registry.fault({ path: '/manifests/' }, { flipAt: 10 })
      expect(await faultOf(upstream.resolve(manifestNamed(app.manifest.digest), asking()))).toBe('corrupt')
      expect(await faultOf(upstream.resolve(manifestNamed('v1'), asking())), 'the header names the right digest').toBe('corrupt')
    })

    test.each([
      {
        kind: 'schema 1',
        document: { schemaVersion: 1, fsLayers: [] },
        type: 'application/vnd.docker.distribution.manifest.v1+prettyjws',
      },
      { kind: 'a page', document: { login: true }, type: 'text/html' },
      { kind: 'a config', document: { architecture: 'amd64' }, type: 'application/vnd.oci.image.config.v1+json' },
    ])('$kind is no manifest', async ({ document, type }) => {
      const upstream = await start()
      bench.registry.pushManifest('lab/tool', json(document, type), 'odd')
      expect(await faultOf(upstream.resolve(manifestNamed('odd'), asking()))).toBe('upstream-invalid')
    })

    test('a manifest named application/json is known by its shape', async () => {
      const upstream = await start()
      const plain = { ...image({ style: 'docker', seed: 'plain' }).manifest, mediaType: 'application/json' }
      const shaped = json({ ...JSON.parse(plain.bytes.toString()), mediaType: undefined }, 'text/plain')
      bench.registry.pushManifest('lab/tool', plain, 'plain')
      bench.registry.pushManifest('lab/tool', shaped, 'shaped')
      bench.registry.pushManifest('lab/tool', json({ schemaVersion: 2, manifests: [] }, 'application/json'), 'index')
      bench.registry.pushManifest(
        'lab/tool',
        json({ schemaVersion: 2, mediaType: dockerList, manifests: [] }, 'application/json'),
        'list',
      )
      const type = 'application/vnd.docker.distribution.manifest.v2+json'
      expect((await found(upstream, 'plain')).mediaType).toBe(type)
      expect((await found(upstream, 'shaped')).mediaType).toBe(type)
      expect((await found(upstream, 'index')).mediaType).toBe(ociIndex)
      expect((await found(upstream, 'list')).mediaType).toBe(dockerList)
    })

    test.each([{ length: 'announced' as const }, { length: 'chunked' as const }])(
      'a manifest of 17 MiB is too large, its length $length',
      async ({ length }) => {
        const upstream = await start()
        const huge = content(Buffer.alloc(17 * MiB, ' '), ociIndex)
        bench.registry.pushManifest('lab/tool', huge, 'huge')
        if (length === 'chunked') bench.registry.fault({}, { length })
        expect(await faultOf(upstream.resolve(manifestNamed('huge'), asking()))).toBe('too-large')
        await bench.registry.quiet()
        expect(bench.registry.requests.at(-1)!.bodyBytesSent).toBeLessThanOrEqual(17 * MiB)
        bench.registry.heal()
        expect((await found(upstream, 'v1')).digests).toEqual([app.manifest.digest])
      },
    )
  })
  test('a registry below a path is asked below it', async () => {
    const upstream = await start({ basePath: '/artifactory/api/docker/hub' })
    expect((await found(upstream, 'v1')).digests).toEqual([app.manifest.digest])
    expect((await fetchOf(upstream)).equals(layer.bytes)).toBe(true)
  })
}
