import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type CredentialSource, dockerConfigCredentials } from '../../../src/upstream/credentials.ts'
import { createRecordedLog, type RecordedLog } from '../../kit/recorded-log.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

const host = 'registry.example:5000'
const base64 = (text: string) => Buffer.from(text).toString('base64')
const ada = { kind: 'password', username: 'ada', password: 'se:cret' }

let folder: TempFolder
let log: RecordedLog
beforeEach(async () => {
  folder = await tempFolder()
  log = createRecordedLog()
  await mkdir(join(folder.path, 'bin'))
  vi.stubEnv('PATH', join(folder.path, 'bin') + delimiter + process.env.PATH)
})
afterEach(async () => {
  vi.unstubAllEnvs()
  await folder[Symbol.asyncDispose]()
})

const path = () => join(folder.path, 'config.json')
async function source(config: unknown, of = host): Promise<CredentialSource> {
  await writeFile(path(), typeof config === 'string' ? config : JSON.stringify(config))
  return dockerConfigCredentials(path(), of, log)
}

/** A credential helper that notes what it is asked and answers with a script. */
async function helper(name: string, script: string): Promise<() => Promise<string[]>> {
  const file = join(folder.path, 'bin', `docker-credential-${name}`)
  const asked = join(folder.path, `${name}.asked`)
  await writeFile(file, `#!/bin/sh\nread -r host\necho "$1 $host" >> '${asked}'\n${script}\n`)
  await chmod(file, 0o755)
  return async () => (await readFile(asked, 'utf8').catch(() => '')).split('\n').filter(Boolean)
}
const answering = (user: string, secret: string) => `echo '{"ServerURL":"x","Username":"${user}","Secret":"${secret}"}'`

describe('entries of auths', () => {
  test.each([
    { entry: { auth: base64('ada:se:cret') }, want: ada },
    { entry: { username: 'ada', password: 'se:cret' }, want: ada },
    { entry: { auth: base64('<token>:x'), identitytoken: 'refresh' }, want: { kind: 'identity', token: 'refresh' } },
    { entry: { registrytoken: 'bearer' }, want: { kind: 'bearer', token: 'bearer' } },
    { entry: {}, want: undefined },
    { entry: { auth: base64('no colon') }, want: undefined },
    { entry: { auth: '' }, want: undefined },
  ])('$entry', async ({ entry, want }) => expect(await (await source({ auths: { [host]: entry } }))()).toEqual(want))

  test.each([{ registrytoken: -1 }, { identitytoken: {} }, { auth: 5 }, { username: 'ada', password: 5 }])(
    '%j is not text: there are none, and the log says so',
    async (entry) => {
      expect(await (await source({ auths: { [host]: entry } }))()).toBeUndefined()
      expect(log.lines).toMatchObject([{ event: 'upstream.credentials', level: 'warn' }])
    },
  )

  test.each([
    ['registry.example:5000', host],
    ['https://registry.example:5000', host],
    ['https://registry.example:5000/', host],
    ['https://index.docker.io/v1/', 'registry-1.docker.io'],
    ['docker.io', 'registry-1.docker.io'],
  ])('one named %s is for %s', async (key, of) => {
    expect(await (await source({ auths: { [key]: { auth: base64('ada:se:cret') } } }, of))()).toEqual(ada)
  })

  test.each(['registry.example', 'other.example:5000', 'docker.io', 'ple:5000'])(
    'one named %s is for somebody else',
    async (key) => {
      expect(await (await source({ auths: { [key]: { auth: base64('ada:se:cret') } } }))()).toBeUndefined()
    },
  )

  test('a changed file is read again', async () => {
    const ask = await source({ auths: { [host]: { auth: base64('ada:old') } } })
    expect(await ask()).toMatchObject({ password: 'old' })
    await new Promise((go) => setTimeout(go, 15))
    await writeFile(path(), JSON.stringify({ auths: { [host]: { auth: base64('ada:new') } } }))
    expect(await ask()).toMatchObject({ password: 'new' })
  })

  test.each(['', '{', '[]', 'null', '7', '{"auths":null}', '{"auths":{"registry.example:5000":null}}'])(
    'a file with %j is nobody',
    async (text) => {
      expect(await (await source(text))()).toBeUndefined()
    },
  )

  test('a file that is not there is nobody, and said', async () => {
    expect(await dockerConfigCredentials(path(), host, log)()).toBeUndefined()
    expect(log.events).toEqual(['upstream.credentials'])
  })

  test('a damaged file was quoted in the log, secret and all', async () => {
    expect(await (await source('{"auth":"c2VjcmV0" oops'))()).toBeUndefined()
    const said = log.lines.map(({ fields }) => (fields as { error: Error }).error.message).join()
    expect(said).not.toBe('')
    expect(said).not.toMatch(/c2Vj|oops/)
  })
})

describe('credential helpers', () => {
  test('are asked for the host, and their answer is kept for a while', async () => {
    const asked = await helper('test', answering('ada', 'se:cret'))
    const ask = await source({ credHelpers: { [host]: 'test' } })
    expect(await ask()).toEqual(ada)
    expect(await ask()).toEqual(ada)
    expect(await asked()).toEqual([`get ${host}`])
  })

  test('many requests at once ran one program each', async () => {
    const asked = await helper('test', answering('ada', 'se:cret'))
    const ask = await source({ credsStore: 'test' })
    expect(await Promise.all(Array.from({ length: 8 }, ask))).toEqual(Array(8).fill(ada))
    expect(await asked()).toHaveLength(1)
  })

  test('a user <token> means a refresh token', async () => {
    await helper('test', answering('<token>', 'refresh'))
    expect(await (await source({ credsStore: 'test' }))()).toEqual({ kind: 'identity', token: 'refresh' })
  })

  test("Docker Hub is asked for by its old name, and an entry's helper comes before the store", async () => {
    const asked = await helper('own', answering('ada', 'se:cret'))
    const store = await helper('store', answering('bob', 'x'))
    expect(await (await source({ credHelpers: { 'docker.io': 'own' }, credsStore: 'store' }, 'registry-1.docker.io'))()).toEqual(
      ada,
    )
    expect(await asked()).toEqual(['get https://index.docker.io/v1/'])
    expect(await store()).toEqual([])
  })

  test('an empty entry leaves it to the store', async () => {
    await helper('store', answering('ada', 'se:cret'))
    expect(await (await source({ auths: { [host]: {} }, credsStore: 'store' }))()).toEqual(ada)
  })

  test("the store got the answer of the entry's helper", async () => {
    await helper('own', answering('', ''))
    await helper('store', answering('ada', 'se:cret'))
    expect(await (await source({ credHelpers: { [host]: 'own' }, credsStore: 'store' }))()).toEqual(ada)
  })

  test.each([
    ['fails', 'echo S3CRET; exit 1'],
    ['says no JSON', 'echo S3CRET'],
    ['says null', 'echo null'],
  ])('one that %s is nobody, is named in the log and not run for each request', async (_, script) => {
    const asked = await helper('test', script)
    const ask = await source({ credsStore: 'test' })
    for (let at = 0; at < 3; at++) expect(await ask()).toBeUndefined()
    expect(await asked()).toHaveLength(1)
    const said = log.lines.map(({ fields }) => String((fields as { error: Error }).error)).join()
    expect(said).toContain('docker-credential-test')
    expect(said).not.toContain('S3CRET')
  })

  test.each(['../evil', 'a b', 'a;touch x', '', 'a/b'])('a helper named %j is not run', async (name) => {
    expect(await (await source({ credHelpers: { [host]: name } }))()).toBeUndefined()
  })

  test('get what they need of our environment, and no secret of ours', async () => {
    const seen = join(folder.path, 'seen')
    const given = {
      ...{ HOME: '/home/ada', LC_ALL: 'C', XDG_RUNTIME_DIR: '/run/user/7', DOCKER_CONFIG: '/etc/docker', GNUPGHOME: '/keys' },
      ...{
        DBUS_SESSION_BUS_ADDRESS: 'unix:path=/bus',
        PASSWORD_STORE_DIR: '/pass',
        AWS_PROFILE: 'site',
        https_proxy: 'http://p',
      },
    }
    const secrets = {
      FOREBAY_UPSTREAMS__HUB__CREDENTIALS__PASSWORD: 'S3CRET',
      HUB_PASSWORD: 'S3CRET',
      NODE_OPTIONS: '--no-warnings',
    }
    for (const [name, value] of Object.entries({ ...given, ...secrets })) vi.stubEnv(name, value)
    await helper('test', `env > '${seen}'\n${answering('ada', 'se:cret')}`)
    expect(await (await source({ credsStore: 'test' }))()).toEqual(ada)
    const lines = (await readFile(seen, 'utf8')).split('\n')
    expect(lines).toEqual(expect.arrayContaining(Object.entries(given).map((pair) => pair.join('='))))
    expect(lines).toContain(`PATH=${process.env.PATH}`)
    expect(lines.filter((line) => /S3CRET|^FOREBAY|^NODE_/.test(line))).toEqual([])
  })

  test('one that is not installed is nobody', async () => {
    expect(await (await source({ credsStore: 'none-such' }))()).toBeUndefined()
    expect(log.events).toEqual(['upstream.credentials'])
  })
})
