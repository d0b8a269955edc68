import { expect } from 'vitest'
import { hostsDirectory, startContainerd } from './kit/containerd.ts'
import { describeImage, type Image, native } from './kit/describe-image.ts'
import { images } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import { upstreamName } from './kit/target.ts'
import { threeTimes } from './kit/three-times.ts'
import { describeWith } from './kit/tools.ts'

describeWith([...laboratory, 'containerd', 'ctr'], 'containerd with a hosts.toml', () => {
  test.for(['index', 'docker', 'zstd'] as const)(
    'pulls and unpacks the %s image by ns=',
    async (kind, { target, upstream, work }) => {
      const whole = await describeImage(upstream.url, images[kind].repository, images[kind].tag)
      const image: Image = kind === 'index' ? native(whole) : whole
      // The host has no path: only `ns=` says which upstream is meant.
      const hosts = await hostsDirectory(work.file('hosts'), upstreamName, target.url)
      const name = `${upstreamName}/${whole.repository}:12`
      await threeTimes({ target, upstream, work }, image.blobs, async ({ out, env }) => {
        // A containerd of its own each time: what another pull left would not be asked for.
        await using node = await startContainerd(`${out}/containerd`, env)
        await node.ctr('images', 'pull', '--hosts-dir', hosts, '--snapshotter', node.snapshotter, name)
        expect(await node.ctr('images', 'ls')).toContain(whole.digest)
        expect(await node.ctr('images', 'check', '--snapshotter', node.snapshotter)).toMatch(/complete \(\d+\/\d+\)/)
        expect((await node.ctr('content', 'ls', '-q')).split('\n')).toEqual(
          expect.arrayContaining(image.blobs.map((b) => b.digest)),
        )
      })
    },
  )
})
