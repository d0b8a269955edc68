import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { expect } from 'vitest'
import { describeImage } from './kit/describe-image.ts'
import { images } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import { storageDriver } from './kit/storage-driver.ts'
import { threeTimes } from './kit/three-times.ts'
import { describeWith, use } from './kit/tools.ts'

const canPullParts = (await storageDriver(tmpdir())) === 'overlay'

describeWith([...laboratory, 'skopeo'], 'partial pulls into container storage', () => {
  test.skipIf(!canPullParts)(
    'read every layer by several ranges in one request, and the image is whole',
    async ({ target, upstream, work }) => {
      const image = await describeImage(upstream.url, images.chunked.repository, images.chunked.tag)
      const layers = image.blobs.filter((blob) => blob.mediaType.includes('layer'))
      await threeTimes({ target, upstream, work, inParts: true }, image.blobs, async ({ out, env }) => {
        const settings = [
          '[storage]',
          'driver = "overlay"',
          `graphroot = "${out}/root"`,
          `runroot = "${out}/run"`,
          '[storage.options]',
          'pull_options = { enable_partial_images = "true" }',
        ]
        await writeFile(`${out}/storage.conf`, `${settings.join('\n')}\n`)
        const options = { env: { ...env, CONTAINERS_STORAGE_CONF: `${out}/storage.conf` }, cwd: out }
        const how = ['--debug', 'copy', '--insecure-policy', '--src-tls-verify=false']
        const copy = await use(
          'skopeo',
          [...how, `docker://${target.reference(images.chunked)}`, 'containers-storage:copy:1'],
          options,
        )
        expect(copy.code, copy.stderr).toBe(0)
        expect(copy.stderr.match(/Retrieved partial blob/g)).toHaveLength(layers.length)
        const held = await use('skopeo', ['inspect', '--raw', 'containers-storage:copy:1'], options)
        expect(held.stdout).toBe(image.raw)
      })
    },
  )
})
