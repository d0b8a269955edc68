import { expect } from 'vitest'
import { expectDirectoryCopy } from './kit/check-bytes.ts'
import { describeImage, native } from './kit/describe-image.ts'
import { images } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import { threeTimes } from './kit/three-times.ts'
import { describeWith, mustUse } from './kit/tools.ts'

for (const skopeo of ['skopeo 1.9', 'skopeo'] as const) {
  describeWith([...laboratory, skopeo], `${skopeo === 'skopeo' ? 'a current skopeo' : skopeo}`, () => {
    test('copies one platform of an index, byte for byte', async ({ target, upstream, work }) => {
      const image = native(await describeImage(upstream.url, images.index.repository, images.index.tag))
      await threeTimes({ target, upstream, work }, image.blobs, async ({ out, env }) => {
        const source = `docker://${target.reference(images.index)}`
        await mustUse(skopeo, ['copy', '--insecure-policy', '--src-tls-verify=false', source, 'dir:copy'], { env, cwd: out })
        await expectDirectoryCopy(`${out}/copy`, image)
      })
    })

    test('copies an index with all its platforms and leaves every digest as it is', async ({ target, upstream, work }) => {
      const index = await describeImage(upstream.url, images.index.repository, images.index.tag)
      await threeTimes({ target, upstream, work }, index.blobs, async ({ out, env }) => {
        const source = `docker://${target.reference(images.index)}`
        const how = ['copy', '--all', '--preserve-digests', '--insecure-policy', '--src-tls-verify=false']
        await mustUse(skopeo, [...how, source, 'dir:copy'], { env, cwd: out })
        await expectDirectoryCopy(`${out}/copy`, index)
      })
    })

    test.for(['docker', 'zstd'] as const)('copies the %s image by its digest', async (kind, { target, upstream, work }) => {
      const image = await describeImage(upstream.url, images[kind].repository, images[kind].tag)
      await threeTimes({ target, upstream, work }, image.blobs, async ({ out, env }) => {
        const source = `docker://${target.address}/${target.prefix}${image.repository}@${image.digest}`
        await mustUse(skopeo, ['copy', '--insecure-policy', '--src-tls-verify=false', source, 'dir:copy'], { env, cwd: out })
        await expectDirectoryCopy(`${out}/copy`, image)
      })
    })

    test('inspects an image: its digest, its tags, and the exact text of its manifest', async ({ target, upstream, work }) => {
      const index = await describeImage(upstream.url, images.index.repository, images.index.tag)
      await threeTimes({ target, upstream, work }, [], async ({ env }) => {
        const inspect = (...how: string[]): Promise<string> =>
          mustUse(skopeo, ['inspect', '--tls-verify=false', ...how, `docker://${target.reference(images.index)}`], { env })
        const told = JSON.parse(await inspect()) as { Digest: string; RepoTags: string[] }
        expect(told.Digest).toBe(index.digest)
        expect(told.RepoTags.toSorted()).toEqual(['12', '12-amd64', '12-arm64', '12-plain'])
        expect(JSON.parse(await inspect('--no-tags'))).toMatchObject({ Digest: index.digest })
        expect(await inspect('--raw')).toBe(index.raw)
      })
    })
  })
}
