import { describe, expect, test } from 'vitest'
import { ociIndex } from '../../../src/model/media-type.ts'
import { faultOf } from '../../kit/bytes.ts'
import { artifact } from '../../kit/images.ts'
import { asking, manifestNamed, tool } from '../../kit/questions.ts'
import type { UpstreamBench } from './bench.ts'

/** Tags and referrers. */
export function listPromises(bench: UpstreamBench): void {
  const { start, app } = bench

  describe('lists', () => {
    test('tags come page by page', async () => {
      const upstream = await start({ pageSize: 2 })
      bench.registry.push('lab/tool', app, 'a', 'b', 'c', 'd')
      const first = await upstream.tags(tool, { n: 10 }, asking())
      expect(first).toEqual({ tags: ['a', 'b'], next: { n: 2, last: 'b' } })
      const second = await upstream.tags(tool, { n: first!.next!.n, last: first!.next!.last }, asking())
      expect(second).toEqual({ tags: ['c', 'd'], next: { n: 2, last: 'd' } })
      expect(await upstream.tags(tool, { last: 'd' }, asking())).toEqual({ tags: ['v1'], next: undefined })
    })

    test('a next page that is named by something else than its last tag is found all the same', async () => {
      const upstream = await start()
      bench.registry.fault(
        { path: '/tags/list' },
        {
          body: '{"name":"lab/tool","tags":["a","b"]}',
          headers: { link: '</v2/lab/tool/tags/list?next_page=gAAAAABl>; rel="next"' },
        },
      )
      expect(await upstream.tags(tool, { n: 2 }, asking())).toEqual({ tags: ['a', 'b'], next: { n: 2, last: 'b' } })
    })

    test('no such repository is no list', async () => {
      const upstream = await start()
      expect(await upstream.tags(manifestNamed('v1', 'lab/none').repository, {}, asking())).toBeUndefined()
    })

    test.each(['[]', 'null', '{', '<html>', '"x"'])('a list that is %s is a mistake of the upstream', async (body) => {
      const upstream = await start()
      bench.registry.fault({}, { body })
      expect(await faultOf(upstream.tags(tool, {}, asking()))).toBe('upstream-invalid')
    })

    test('tags that are null are none', async () => {
      const upstream = await start()
      bench.registry.fault({}, { body: '{"name":"lab/tool","tags":null}' })
      expect(await upstream.tags(tool, {}, asking())).toEqual({ tags: [], next: undefined })
    })

    test.each([{ pageSize: undefined }, { pageSize: 1 }, { pageSize: 1, absoluteLinks: true }])(
      'referrers come as one document, with %j',
      async (options) => {
        const upstream = await start(options)
        const signatures = ['one', 'two', 'three'].map((seed) => artifact({ artifactType: 'test/signature', seed, subject: app }))
        bench.registry.push('lab/tool', artifact({ artifactType: 'test/sbom', seed: 'sbom', subject: app }))
        for (const signature of signatures) bench.registry.push('lab/tool', signature)
        const all = await upstream.referrers(tool, app.manifest.digest, undefined, asking())
        expect(JSON.parse(Buffer.from(all!.document).toString()).manifests).toHaveLength(4)
        expect(all).toMatchObject({ mediaType: ociIndex, isFiltered: false })
        const some = await upstream.referrers(tool, app.manifest.digest, 'test/signature', asking())
        expect(
          JSON.parse(Buffer.from(some!.document).toString())
            .manifests.map(({ digest }: { digest: string }) => digest)
            .sort(),
        ).toEqual(signatures.map(({ manifest }) => manifest.digest).sort())
        expect(some!.isFiltered).toBe(true)
      },
    )

    test.each(['[]', 'null', '<html>log in</html>', '', '"x"'])(
      'referrers that are %j are a mistake of the upstream',
      async (body) => {
        const upstream = await start()
        bench.registry.fault({}, { body })
        expect(await faultOf(upstream.referrers(tool, app.manifest.digest, undefined, asking()))).toBe('upstream-invalid')
      },
    )

    test('referrers on a second page may be as many as fit into it', async () => {
      const upstream = await start()
      const count = 300_000
      bench.registry.fault({}, { body: `{"manifests":[${'1,'.repeat(count)}1]}` })
      bench.registry.fault({ nth: 1 }, { body: '{"manifests":[]}', headers: { link: '<?page=2>; rel="next"' } })
      const all = await upstream.referrers(tool, app.manifest.digest, undefined, asking())
      expect(JSON.parse(Buffer.from(all!.document).toString()).manifests).toHaveLength(count + 1)
    })

    test('a registry without the call has no referrers at all', async () => {
      const upstream = await start({ referrers: 'none' })
      expect(await upstream.referrers(tool, app.manifest.digest, undefined, asking())).toBeUndefined()
    })
  })
}
