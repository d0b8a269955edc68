import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { until } from '../kit/disk.ts'
import { expectDirectoryCopy, fileDigest } from './kit/check-bytes.ts'
import { describeImage } from './kit/describe-image.ts'
import { type Forebay, startForebay } from './kit/forebay.ts'
import { images } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import type { Registry } from './kit/registry.ts'
import { run, succeed } from './kit/run.ts'
import { storageDriver } from './kit/storage-driver.ts'
import { isDirect, upstreamName } from './kit/target.ts'
import { describeWith, mustUse, use } from './kit/tools.ts'
import type { WorkDir } from './kit/work-dir.ts'

const user = { name: 'alice', password: 'open-sesame-42' }
const refused = /unauthorized|authentication required|authorization failed|invalid username|credential|401/i

/** Nobody reads anything of it but alice. */
async function startClosed(work: WorkDir, upstream: Registry): Promise<Forebay> {
  const file = join(await work.folder('users'), 'htpasswd')
  await writeFile(file, await mustUse('htpasswd', ['-Bbn', user.name, user.password]))
  return startForebay(work, {
    upstreams: { [upstreamName]: { kind: 'oci', url: upstream.url } },
    more: { access: { anonymous: 'none', users: { file } } },
  })
}

async function issueToken({ settings }: Forebay, name: string): Promise<string> {
  const words = ['src/launch.mjs', 'tokens', 'issue', name, '--config', settings]
  return (await succeed(process.execPath, words, { cwd: join(import.meta.dirname, '..', '..') })).trim()
}

describe.skipIf(isDirect())('a proxy that lets nobody in without a name', () => {
  describeWith([...laboratory, 'skopeo 1.9', 'htpasswd'], 'and skopeo', () => {
    test('with the right password it copies, with none or another it hears that', async ({ upstream, work }) => {
      const image = await describeImage(upstream.url, images.docker.repository, images.docker.tag)
      await using forebay = await startClosed(work, upstream)
      const copy = async (...creds: string[]) => {
        const source = `docker://${forebay.address}/${upstreamName}/${image.repository}:12`
        const how = ['copy', '-q', '--insecure-policy', '--src-tls-verify=false', ...creds, source, 'dir:.']
        const out = await work.folder(`out-${creds.length}`)
        return { out, ...(await use('skopeo 1.9', how, { env: work.env, cwd: out })) }
      }
      for (const _ of ['cold', 'warm']) {
        const { out, code } = await copy('--src-creds', `${user.name}:${user.password}`)
        expect(code).toBe(0)
        await expectDirectoryCopy(out, image)
      }
      for (const creds of [[], ['--src-creds', `${user.name}:wrong-password`]]) {
        const { code, stderr } = await copy(...creds)
        expect([code === 0, stderr]).toEqual([false, expect.stringMatching(refused)])
      }
      await forebay.stop() // then its log is complete
      expect(await readFile(forebay.log, 'utf8')).not.toMatch(/open-sesame|wrong-password/)
    })
  })

  describeWith([...laboratory, 'podman', 'htpasswd'], 'and podman', () => {
    test('after a login it pulls', async ({ upstream, work }) => {
      await using forebay = await startClosed(work, upstream)
      const folder = await work.folder('podman')
      const storage = ['--root', `${folder}/root`, '--runroot', `${folder}/runroot`, '--events-backend', 'none']
      const own = [...storage, '--storage-driver', await storageDriver(folder)]
      const options = { env: { ...work.env, REGISTRY_AUTH_FILE: `${folder}/auth.json` }, cwd: folder }
      await writeFile(options.env.REGISTRY_AUTH_FILE, '{}')
      const pull = ['pull', '-q', '--tls-verify=false', `${forebay.address}/${upstreamName}/${images.docker.repository}:12`]
      const login = (password: string) =>
        use('podman', [...own, 'login', '--tls-verify=false', '-u', user.name, '-p', password, forebay.address], options)
      expect((await use('podman', [...own, ...pull], options)).stderr).toMatch(refused)
      expect((await login('wrong-password')).code).not.toBe(0)
      expect((await login(user.password)).code).toBe(0)
      await mustUse('podman', [...own, ...pull], options)
    })
  })

  describeWith([...laboratory, 'htpasswd'], 'and crane, oras, apptainer and curl', () => {
    test('a token is the password of any user', async ({ upstream, work }) => {
      const image = await describeImage(upstream.url, images.sif.repository, images.sif.tag)
      const sif = image.blobs.find((blob) => blob.mediaType.endsWith('layer.v1.sif'))
      await using forebay = await startClosed(work, upstream)
      const token = await issueToken(forebay, 'ci')
      const out = await work.folder('out')
      const options = { env: work.env, cwd: out }
      const reference = `${forebay.address}/${upstreamName}/${image.repository}:${images.sif.tag}`
      const ping = (...words: string[]) =>
        run('curl', ['-s', '-o', 'ping', '-w', '%{http_code}', ...words, `${forebay.url}/v2/`], options)
      const isTaken = async () => (await ping('-H', `Authorization: Bearer ${token}`)).stdout === '200'
      await until(isTaken, 'the token taken', 60_000)
      expect((await ping('-u', `${user.name}:${user.password}`)).stdout).toBe('200')
      expect((await ping()).stdout).toBe('401')

      expect((await use('crane', ['digest', reference], options)).stderr).toMatch(refused)
      await mustUse('crane', ['auth', 'login', forebay.address, '-u', 'token', '-p', token], options)
      expect((await mustUse('crane', ['digest', reference], options)).trim()).toBe(image.digest)

      await mustUse('oras', ['pull', '--plain-http', '-u', 'token', '-p', token, reference], options)
      expect(await fileDigest(`${out}/tool.sif`)).toBe(sif?.digest)

      const login = { APPTAINER_DOCKER_USERNAME: 'token', APPTAINER_DOCKER_PASSWORD: token }
      const pull = (env: Readonly<Record<string, string>>) =>
        use('apptainer', ['pull', '--force', '--no-https', 'own.sif', `oras://${reference}`], {
          ...options,
          env: { ...work.env, ...env },
        })
      const { code, stderr } = await pull(login)
      expect([code, stderr]).toEqual([0, expect.anything()])
      expect(await fileDigest(`${out}/own.sif`)).toBe(sif?.digest)
      await forebay.stop() // then its log is complete
      expect(await readFile(forebay.log, 'utf8')).not.toContain(token.slice(8, 60))
    })
  })
})
