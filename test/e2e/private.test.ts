import { readFile } from 'node:fs/promises'
import { expect } from 'vitest'
import { expectDirectoryCopy } from './kit/check-bytes.ts'
import { describeImage } from './kit/describe-image.ts'
import { startForebay } from './kit/forebay.ts'
import { images, startRegistryWithImages } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import { isDirect, upstreamName } from './kit/target.ts'
import { describeWith, mustUse, use } from './kit/tools.ts'

const login = { username: 'site', password: 'open-sesame-42' }

describeWith([...laboratory, 'skopeo 1.9', 'htpasswd'], 'an upstream that wants a password', () => {
  test.skipIf(isDirect())(
    'is read with the login of the settings, which no client has to know and no log shows',
    async ({ upstream, work }) => {
      const image = await describeImage(upstream.url, images.docker.repository, images.docker.tag)
      await using locked = await startRegistryWithImages(work, { login })
      const credentials = { username: login.username, password: { env: 'LAB_PASSWORD' } }
      await using forebay = await startForebay(work, {
        upstreams: { [upstreamName]: { kind: 'oci', url: locked.url, credentials } },
        env: { LAB_PASSWORD: login.password },
      })
      const out = await work.folder('out')
      const source = `docker://${forebay.address}/${upstreamName}/${image.repository}:12`
      const how = ['copy', '-q', '--insecure-policy', '--src-tls-verify=false', source, 'dir:.']
      await mustUse('skopeo 1.9', how, { env: work.env, cwd: out })
      await expectDirectoryCopy(out, image)
      await forebay.stop() // then its log is complete
      expect(await readFile(forebay.log, 'utf8')).not.toContain(login.password)
    },
  )

  test.skipIf(isDirect())(
    'with a wrong password in the settings the client hears that, and not that the image is unknown',
    async ({ work }) => {
      await using locked = await startRegistryWithImages(work, { login })
      const credentials = { username: login.username, password: { env: 'LAB_PASSWORD' } }
      await using forebay = await startForebay(work, {
        upstreams: { [upstreamName]: { kind: 'oci', url: locked.url, credentials } },
        env: { LAB_PASSWORD: 'not-the-password' },
      })
      const source = `docker://${forebay.address}/${upstreamName}/${images.docker.repository}:12`
      const answer = await use('skopeo 1.9', ['inspect', '--tls-verify=false', '--no-tags', source], { env: work.env })
      expect(answer.code).not.toBe(0)
      expect(answer.stderr).toMatch(/denied|unauthorized/i)
    },
  )
})
