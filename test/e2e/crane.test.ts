import { expect } from 'vitest'
import { expectLayout } from './kit/check-bytes.ts'
import { describeImage, native } from './kit/describe-image.ts'
import { images } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import { startRegistry } from './kit/registry.ts'
import { threeTimes } from './kit/three-times.ts'
import { describeWith, mustUse } from './kit/tools.ts'

describeWith([...laboratory, 'crane'], 'crane', () => {
  test('reads the digest and the exact manifest of a tag', async ({ target, upstream, work }) => {
    const index = await describeImage(upstream.url, images.index.repository, images.index.tag)
    await threeTimes({ target, upstream, work }, [], async ({ env }) => {
      const reference = target.reference(images.index)
      expect((await mustUse('crane', ['digest', reference], { env })).trim()).toBe(index.digest)
      expect((await mustUse('crane', ['manifest', reference], { env })).trim()).toBe(index.raw.trim())
    })
  })

  test('pulls an index with all its platforms into a layout', async ({ target, upstream, work }) => {
    const index = await describeImage(upstream.url, images.index.repository, images.index.tag)
    await threeTimes({ target, upstream, work }, index.blobs, async ({ out, env }) => {
      await mustUse('crane', ['pull', '--format=oci', target.reference(images.index), 'layout'], { env, cwd: out })
      await expectLayout(`${out}/layout`, [index, ...Object.values(index.platforms), ...index.blobs])
    })
  })

  test('finds nothing wrong with the image: sizes, digests and layers of every platform', async ({ target, upstream, work }) => {
    const index = await describeImage(upstream.url, images.index.repository, images.index.tag)
    await threeTimes({ target, upstream, work }, index.blobs, async ({ env }) => {
      const told = await mustUse('crane', ['validate', '--remote', target.reference(images.index)], { env })
      expect(told).toContain('PASS')
    })
  })

  test('copies an image on to another registry, which then names the same digests', async ({ target, upstream, work }) => {
    const image = native(await describeImage(upstream.url, images.index.repository, images.index.tag))
    await threeTimes({ target, upstream, work }, image.blobs, async ({ phase, env }) => {
      await using other = await startRegistry(work, { name: `other-${phase}` })
      const source = `${target.address}/${target.prefix}${image.repository}@${image.digest}`
      await mustUse('crane', ['copy', source, `${other.address}/copied:1`], { env })
      const copy = await describeImage(other.url, 'copied', '1')
      expect(copy).toEqual({ ...image, repository: 'copied' })
    })
  })
})
