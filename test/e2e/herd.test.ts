import { expect } from 'vitest'
import { blobBytes, blobRequests } from './kit/access-log.ts'
import { expectDirectoryCopy } from './kit/check-bytes.ts'
import { describeImage, native } from './kit/describe-image.ts'
import { images } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import { describeWith, mustUse } from './kit/tools.ts'

describeWith([...laboratory, 'skopeo 1.9'], 'twenty clients at once, cold', () => {
  test('every copy is whole, and the upstream was asked once for each blob', async ({ target, upstream, work }) => {
    const image = native(await describeImage(upstream.url, images.index.repository, images.index.tag))
    await upstream.log.forget()
    const source = `docker://${target.reference(images.index)}`
    const copies = Array.from({ length: 20 }, async (_, index) => {
      const folder = await work.folder(`copy-${index}`)
      const how = ['copy', '-q', '--insecure-policy', '--src-tls-verify=false', source, 'dir:.']
      await mustUse('skopeo 1.9', how, { env: work.env, cwd: folder })
      return folder
    })
    for (const folder of await Promise.all(copies)) await expectDirectoryCopy(folder, image)

    if (target.forebay === undefined) return
    const asked = await upstream.log.asked()
    for (const { digest, size } of image.blobs) {
      expect([digest, blobRequests(asked, digest), blobBytes(asked, digest)]).toEqual([digest, 1, size])
    }
    const manifests = asked.filter((one) => one.method === 'GET' && one.path.includes('/manifests/'))
    expect(manifests.length, 'the index and one manifest').toBeLessThanOrEqual(2)
  })
})
