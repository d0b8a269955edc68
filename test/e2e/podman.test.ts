import { expect } from 'vitest'
import { describeImage, native } from './kit/describe-image.ts'
import { images } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import { type MirrorPlan, writeMirrorSettings } from './kit/registries-conf.ts'
import { storageDriver } from './kit/storage-driver.ts'
import { type Target, upstreamName } from './kit/target.ts'
import { type Pull, threeTimes } from './kit/three-times.ts'
import { describeWith, mustUse } from './kit/tools.ts'

/** Podman with storage of its own in the pull's directory: an empty one, as on a fresh node. */
async function podman({ out, env }: Pick<Pull, 'out' | 'env'>, target: Target, plan?: MirrorPlan) {
  const settings = `${out}/registries.conf`
  await writeMirrorSettings(settings, target, plan)
  const driver = await storageDriver(out)
  const storage = ['--root', `${out}/root`, '--runroot', `${out}/runroot`, '--storage-driver', driver, '--events-backend', 'none']
  const options = { env: { ...env, CONTAINERS_REGISTRIES_CONF: settings }, cwd: out }
  return (...args: string[]): Promise<string> => mustUse('podman', [...storage, ...args], options)
}

const name = (image: { repository: string }, pointer: string): string => `${upstreamName}/${image.repository}${pointer}`

describeWith([...laboratory, 'podman'], 'podman with a mirror in registries.conf', () => {
  test('pulls an image by its own name', async ({ target, upstream, work }) => {
    const index = await describeImage(upstream.url, images.index.repository, images.index.tag)
    await threeTimes({ target, upstream, work }, native(index).blobs, async (pull) => {
      const run = await podman(pull, target)
      await run('pull', '-q', name(index, ':12'))
      const [image] = JSON.parse(await run('image', 'inspect', name(index, ':12'))) as { RepoDigests: string[] }[]
      expect(image?.RepoDigests).toContain(name(index, `@${index.digest}`))
    })
  })

  test('pulls by digest only from the mirror, and tags from the origin, when told so', async ({ target, upstream, work }) => {
    const image = await describeImage(upstream.url, images.zstd.repository, images.zstd.tag)
    await threeTimes({ target, upstream, work }, image.blobs, async (pull) => {
      const run = await podman(pull, target, { from: 'digest-only' })
      await expect(run('pull', '-q', name(image, ':12')), 'the origin does not resolve').rejects.toThrow(upstreamName)
      await run('pull', '-q', name(image, `@${image.digest}`))
    })
  })

  test('goes to the origin when the mirror is down', async ({ target, upstream, work }) => {
    const image = await describeImage(upstream.url, images.docker.repository, images.docker.tag)
    const run = await podman({ out: await work.folder('podman'), env: work.env }, target, { origin: upstream.address })
    await target.forebay?.kill()
    await run('pull', '-q', name(image, ':12'))
    expect(await run('image', 'inspect', '--format', '{{.Digest}}', name(image, ':12'))).toContain(image.digest)
  })
})
