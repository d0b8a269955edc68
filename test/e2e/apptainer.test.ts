import { expect } from 'vitest'
import { fileDigest } from './kit/check-bytes.ts'
import { describeImage, native } from './kit/describe-image.ts'
import { images } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import { threeTimes } from './kit/three-times.ts'
import { describeWith, mustUse } from './kit/tools.ts'

describeWith([...laboratory, 'apptainer'], 'apptainer', () => {
  test('makes a SIF of a docker image, and the program in it runs', async ({ target, upstream, work }) => {
    const image = native(await describeImage(upstream.url, images.index.repository, images.index.tag))
    await threeTimes({ target, upstream, work }, image.blobs, async ({ out, env }) => {
      const options = { env, cwd: out }
      await mustUse('apptainer', ['pull', '--no-https', 'image.sif', `docker://${target.reference(images.index)}`], options)
      expect(await mustUse('apptainer', ['sif', 'list', 'image.sif'], options)).toMatch(/FS \(Squashfs\/\*System\/\w+\)/)
      const said = await mustUse('apptainer', ['exec', '--userns', '--contain', 'image.sif', '/opt/tool/run'], options)
      expect(said).toMatch(/^tool runs on \d+\.\d+/)
    })
  })

  test('pulls a SIF over oras, byte for byte', async ({ target, upstream, work }) => {
    const image = await describeImage(upstream.url, images.sif.repository, images.sif.tag)
    const sif = image.blobs.filter((blob) => blob.mediaType.endsWith('layer.v1.sif'))
    await threeTimes({ target, upstream, work }, sif, async ({ out, env }) => {
      const options = { env, cwd: out }
      await mustUse('apptainer', ['pull', '--no-https', 'tool.sif', `oras://${target.reference(images.sif)}`], options)
      expect(await fileDigest(`${out}/tool.sif`)).toBe(sif[0]?.digest)
      expect(await mustUse('apptainer', ['sif', 'list', 'tool.sif'], options)).toMatch(/FS \(Squashfs/)
    })
  })
})
