import { chmod, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { ask } from '../kit/ask.ts'
import { createFakeUpstream, type FakeUpstreamOptions } from '../kit/fake-upstream.ts'
import { startHouse } from '../kit/house.ts'
import { image } from '../kit/images.ts'
import { expectNoLeaks } from '../kit/leaks.ts'
import { tempFolder } from '../kit/temp-folder.ts'
import { lab, urlsOf } from '../kit/world.ts'

expectNoLeaks()
afterEach(() => vi.unstubAllEnvs())

const tool = image({ seed: 'docker config' })
const encoded = (text: string) => Buffer.from(text).toString('base64')

/** A house that finds its credentials in a docker configuration made of the upstream's host and port. */
async function houseWith(options: FakeUpstreamOptions, config: (host: string) => object) {
  const upstream = await createFakeUpstream(options)
  const folder = await tempFolder()
  const file = join(folder.path, 'config.json')
  upstream.push('lab/tool', tool, 'v1')
  await writeFile(file, JSON.stringify(config(upstream.host)))
  const house = await startHouse({
    upstreams: { [lab]: { url: upstream.url, freshFor: '0s', credentials: { dockerConfig: file } } },
    defaults: { oci: lab },
  })
  return {
    upstream,
    house,
    file,
    folder: folder.path,
    tag: urlsOf(house.url).manifest('lab/tool', 'v1'),
    async [Symbol.asyncDispose]() {
      await upstream.close()
      await house.stop()
      await folder[Symbol.asyncDispose]()
    },
  }
}

const users = { ada: 'pass:word' }

describe('credentials of a docker configuration file', () => {
  test('are taken from auths, for Basic', async () => {
    await using its = await houseWith({ auth: { kind: 'basic', users } }, (host) => ({
      auths: { 'elsewhere.example': { auth: encoded('eve:wrong') }, [host]: { auth: encoded('ada:pass:word') } },
    }))
    expect((await ask(its.tag)).sha256).toBe(tool.manifest.digest)
  })

  test('are taken from auths, for a token', async () => {
    await using its = await houseWith({ auth: { kind: 'bearer', users, anonymous: false } }, (host) => ({
      auths: { [host]: { username: 'ada', password: 'pass:word' } },
    }))
    expect((await ask(its.tag)).sha256).toBe(tool.manifest.digest)
    expect(its.upstream.tokens.map(({ user }) => user)).toEqual(['ada'])
  })

  test('may be an identity token, which goes by POST', async () => {
    await using its = await houseWith(
      { auth: { kind: 'bearer', anonymous: false, methods: ['POST'], identityTokens: { 'refresh-me': 'ada' } } },
      (host) => ({ auths: { [host]: { identitytoken: 'refresh-me' } } }),
    )
    expect((await ask(its.tag)).sha256).toBe(tool.manifest.digest)
    expect(its.upstream.tokens.map(({ user }) => user)).toEqual(['ada'])
  })

  test('come from a helper, which is told the host and asked once', async () => {
    await using its = await houseWith({ auth: { kind: 'bearer', users, anonymous: false } }, (host) => ({
      credHelpers: { [host]: 'forebay-test' },
    }))
    const program = join(its.folder, 'docker-credential-forebay-test')
    await writeFile(
      program,
      `#!/bin/sh\nread host\necho "$1 $host" >> "${its.folder}/asked"\necho '{"ServerURL":"x","Username":"ada","Secret":"pass:word"}'\n`,
    )
    await chmod(program, 0o755)
    vi.stubEnv('PATH', `${its.folder}:${process.env.PATH}`)
    expect((await ask(its.tag)).sha256).toBe(tool.manifest.digest)
    its.upstream.expireTokens()
    expect((await ask(its.tag)).sha256).toBe(tool.manifest.digest)
    expect(await readFile(join(its.folder, 'asked'), 'utf8')).toBe(`get ${its.upstream.host}\n`)
  })

  test('that are changed are used without a restart', async () => {
    await using its = await houseWith({ auth: { kind: 'basic', users } }, (host) => ({
      auths: { [host]: { auth: encoded('ada:old') } },
    }))
    expect((await ask(its.tag)).status).toBe(403)
    await writeFile(its.file, JSON.stringify({ auths: { [its.upstream.host]: { auth: encoded('ada:pass:word') } } }))
    expect(await ask(its.tag, { headers: { 'cache-control': 'no-cache' } })).toMatchObject({
      status: 200,
      sha256: tool.manifest.digest,
    })
  })

  test('may be missing or broken: public things are pulled all the same', async () => {
    await using its = await houseWith({ auth: { kind: 'bearer' } }, () => ({ credsStore: 'no-such-helper' }))
    expect((await ask(its.tag)).sha256).toBe(tool.manifest.digest)
    await writeFile(its.file, '{ broken')
    its.upstream.expireTokens()
    expect((await ask(its.tag)).sha256).toBe(tool.manifest.digest)
  })
})
