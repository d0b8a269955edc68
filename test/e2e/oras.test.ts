import { expect } from 'vitest'
import { fileDigest } from './kit/check-bytes.ts'
import { describeImage } from './kit/describe-image.ts'
import { attached, images } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import { startRegistry } from './kit/registry.ts'
import { threeTimes } from './kit/three-times.ts'
import { describeWith, mustUse } from './kit/tools.ts'

describeWith([...laboratory, 'oras'], 'oras', () => {
  test('pulls a SIF with the digest that the upstream names', async ({ target, upstream, work }) => {
    const image = await describeImage(upstream.url, images.sif.repository, images.sif.tag)
    const sif = image.blobs.filter((blob) => blob.mediaType.endsWith('layer.v1.sif'))
    await threeTimes({ target, upstream, work }, sif, async ({ out, env }) => {
      await mustUse('oras', ['pull', '--plain-http', target.reference(images.sif)], { env, cwd: out })
      expect(await fileDigest(`${out}/tool.sif`)).toBe(sif[0]?.digest)
    })
  })

  test('discovers what is attached to an image of an upstream without a referrers API', async ({ target, upstream, work }) => {
    await threeTimes({ target, upstream, work }, [], async ({ env }) => {
      const how = ['discover', '--plain-http', '--format', 'json', '--artifact-type', attached.artifactType]
      const found = JSON.parse(await mustUse('oras', [...how, target.reference(images.sif)], { env })) as Discovered
      expect(found.referrers.map((one) => one.artifactType)).toEqual([attached.artifactType])
    })
  })

  test('copies an image with what is attached to it to another registry', async ({ target, upstream, work }) => {
    const image = await describeImage(upstream.url, images.sif.repository, images.sif.tag)
    await threeTimes({ target, upstream, work }, image.blobs, async ({ phase, env }) => {
      await using other = await startRegistry(work, { name: `other-${phase}` })
      const how = ['cp', '-r', '--from-plain-http', '--to-plain-http']
      await mustUse('oras', [...how, target.reference(images.sif), `${other.address}/copied:1`], { env })
      const copy = await describeImage(other.url, 'copied', '1')
      expect(copy).toEqual({ ...image, repository: 'copied' })
      const list = await mustUse('oras', ['discover', '--plain-http', '--format', 'json', `${other.address}/copied:1`], { env })
      expect((JSON.parse(list) as Discovered).referrers).toHaveLength(1)
    })
  })
})

interface Discovered {
  readonly referrers: readonly { readonly artifactType: string }[]
}
