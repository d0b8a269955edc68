import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect } from 'vitest'
import { expectDirectoryCopy } from './kit/check-bytes.ts'
import { startContainerd } from './kit/containerd.ts'
import { describeImage, type Image } from './kit/describe-image.ts'
import { type Forebay, startForebay } from './kit/forebay.ts'
import { images, startRegistryWithImages } from './kit/images.ts'
import { laboratory, test } from './kit/laboratory.ts'
import type { Registry } from './kit/registry.ts'
import { type Finished, run } from './kit/run.ts'
import { isDirect } from './kit/target.ts'
import { startTokenServer } from './kit/token-server.ts'
import { describeWith, mustUse, use } from './kit/tools.ts'
import type { WorkDir } from './kit/work-dir.ts'

interface Login {
  readonly name: string
  readonly password: string
}

const alice: Login = { name: 'alice', password: 'open-sesame-42' }
const bob: Login = { name: 'bob', password: 'let-me-in-43' }
const refused =
  /unauthorized|authentication required|authorization failed|invalid username|credential|denied|forbidden|40[13]|unable to retrieve auth token/i
const closed: readonly string[] = [images.docker.repository, images.sif.repository]
const onlyAlice = closed.flatMap((repository) => [
  { repositories: [repository], upstream: 'lab.example', users: [alice.name], allow: 'pull' },
  { repositories: [repository], upstream: 'lab.example', allow: 'none' },
])

async function passwordsOf(work: WorkDir, ...users: readonly Login[]): Promise<string> {
  const file = join(await work.folder('users'), 'htpasswd')
  const lines = await Promise.all(users.map(({ name, password }) => mustUse('htpasswd', ['-Bbn', name, password])))
  await writeFile(file, lines.map((line) => `${line.trim()}\n`).join(''))
  return file
}

/** Some of it is for everybody, and some for alice. */
async function startPartlyOpen(work: WorkDir, upstream: Registry, how: 'a repository' | 'an upstream'): Promise<Forebay> {
  const users = { file: await passwordsOf(work, alice, bob) }
  const lab = { kind: 'oci', url: upstream.url }
  return how === 'a repository'
    ? startForebay(work, {
        upstreams: { 'lab.example': lab, 'open.example': lab },
        more: { access: { anonymous: 'pull', users, rules: onlyAlice } },
      })
    : startForebay(work, {
        upstreams: { 'lab.example': lab, 'open.example': lab },
        more: { access: { anonymous: 'none', users, rules: [{ upstream: 'open.example', allow: 'pull' }] } },
      })
}

/** Logs in and pulls, as people do; with an empty home of its own. */
interface Client {
  readonly name: string
  login?(at: Place, who: Login): Promise<Finished>
  pull(at: Place, reference: string, who: Login | undefined): Promise<Finished>
}

interface Place {
  readonly address: string
  readonly folder: string
  readonly env: Readonly<Record<string, string>>
}

const skopeo = (tool: 'skopeo' | 'skopeo 1.9'): Client => ({
  name: tool,
  login: ({ address, env }, { name, password }) =>
    use(tool, ['login', '--tls-verify=false', '-u', name, '-p', password, address], { env }),
  pull: ({ folder, env }, reference) =>
    use(tool, ['copy', '-q', '--insecure-policy', '--src-tls-verify=false', `docker://${reference}`, `dir:${folder}/image`], {
      env,
    }),
})

/** Not an overlay: a pull that fails leaves that mounted. */
const podmanStorage = (folder: string) => [
  ...['--root', `${folder}/root`, '--runroot', `${folder}/runroot`, '--events-backend', 'none'],
  ...['--storage-driver', 'vfs'],
]

const clients: readonly Client[] = [
  skopeo('skopeo 1.9'),
  skopeo('skopeo'),
  {
    name: 'podman',
    login: async ({ address, folder, env }, { name, password }) =>
      use('podman', [...podmanStorage(folder), 'login', '--tls-verify=false', '-u', name, '-p', password, address], {
        env,
      }),
    pull: async ({ folder, env }, reference) =>
      use('podman', [...podmanStorage(folder), 'pull', '-q', '--tls-verify=false', reference], { env }),
  },
  {
    name: 'oras',
    login: ({ address, env }, { name, password }) =>
      use('oras', ['login', '--plain-http', '-u', name, '-p', password, address], { env }),
    pull: ({ env }, reference) => use('oras', ['manifest', 'fetch', '--plain-http', reference], { env }),
  },
  {
    name: 'crane',
    login: ({ address, env }, { name, password }) =>
      use('crane', ['auth', 'login', address, '-u', name, '-p', password], { env }),
    pull: ({ folder, env }, reference) => use('crane', ['pull', reference, `${folder}/image.tar`], { env }),
  },
  {
    name: 'apptainer',
    pull: ({ folder, env }, reference, who) =>
      use('apptainer', ['pull', '--force', '--no-https', `${folder}/image.sif`, `docker://${reference}`], {
        env: who ? { ...env, APPTAINER_DOCKER_USERNAME: who.name, APPTAINER_DOCKER_PASSWORD: who.password } : env,
      }),
  },
]

async function placeFor(work: WorkDir, client: Client, address: string, turn: string): Promise<Place> {
  const folder = await work.folder(`${client.name}-${turn}`.replaceAll(' ', '-'))
  await writeFile(`${folder}/auth.json`, '{}')
  return { address, folder, env: { ...work.env, HOME: folder, REGISTRY_AUTH_FILE: `${folder}/auth.json` } }
}

async function pulls(work: WorkDir, client: Client, reference: string, who: Login | undefined, turn: string): Promise<Finished> {
  const place = await placeFor(work, client, reference.slice(0, reference.indexOf('/')), turn)
  const login = who && client.login ? await client.login(place, who) : undefined
  return login && login.code !== 0 ? login : client.pull(place, reference, who)
}

const ok = expect.objectContaining({ code: 0 })
const isRefused = ({ code, stderr }: Finished) => [code === 0, refused.test(stderr), stderr]

describe.skipIf(isDirect())('a server of which some is open and some is not', () => {
  describe.each(['a repository', 'an upstream'] as const)('%s', (how) => {
    describeWith([...laboratory, 'htpasswd', 'skopeo 1.9', 'podman'], 'and each client', () => {
      test('pulls what is open without a name, and with one what is for it', async ({ upstream, work }) => {
        await using forebay = await startPartlyOpen(work, upstream, how)
        const [own, open] = ['lab.example', 'open.example'].map((name) => `${forebay.address}/${name}`)
        for (const client of clients) {
          const one = (name: string, who: Login | undefined, turn: string) => pulls(work, client, name, who, turn)
          const told = async (what: Promise<Finished>) => ({ client: client.name, ...(await what) })
          expect(await told(one(`${open}/${images.docker.repository}:12`, undefined, 'open'))).toEqual(ok)
          expect(await told(one(`${own}/${images.docker.repository}:12`, alice, 'own'))).toEqual(ok)
          const nobody = await one(`${own}/${images.docker.repository}:12`, undefined, 'nobody')
          expect([client.name, ...isRefused(nobody)]).toEqual([client.name, false, true, expect.anything()])
          const wrong = await one(`${own}/${images.docker.repository}:12`, { ...alice, password: 'not-the-password' }, 'wrong')
          expect([client.name, ...isRefused(wrong)]).toEqual([client.name, false, true, expect.anything()])
        }
        await forebay.stop() // then its log is complete
        expect(await readFile(forebay.log, 'utf8')).not.toMatch(/open-sesame|not-the-password/)
      })
    })

    describeWith([...laboratory, 'htpasswd', 'containerd', 'ctr'], 'and containerd', () => {
      test('pulls what is for its user', async ({ upstream, work }) => {
        await using forebay = await startPartlyOpen(work, upstream, how)
        await using node = await startContainerd(await work.folder('containerd'), work.env)
        const name = `${forebay.address}/lab.example/${images.docker.repository}:12`
        const pull = (...more: string[]) =>
          node.ctr('images', 'pull', '--plain-http', '--snapshotter', node.snapshotter, ...more, name)
        await expect(pull()).rejects.toThrow(refused)
        await pull('--user', `${alice.name}:${alice.password}`)
        expect(await node.ctr('images', 'ls')).toContain(images.docker.repository)
      })
    })
  })
})

const [carol, dave]: readonly [Login, Login] = [
  { name: 'carol', password: 'carols-own-password' },
  { name: 'dave', password: 'daves-own-password' },
]

/** A registry with a token service, which lets carol read what is closed, and dave only the rest. */
async function startPrivate(work: WorkDir) {
  const all = Object.values(images).map(({ repository }) => repository)
  const tokens = await startTokenServer(work, {
    carol: { password: carol.password, repositories: all },
    dave: { password: dave.password, repositories: all.filter((name) => !closed.includes(name)) },
  })
  const registry = await startRegistryWithImages(work, { name: 'private', tokens: tokens.settings })
  return { tokens, registry }
}

interface Mode {
  readonly right: Login
  readonly other: Login
  settings(work: WorkDir): Promise<{ upstream: object; access?: object; env?: Readonly<Record<string, string>> }>
}

const modes: Readonly<Record<'site' | 'caller', Mode>> = {
  site: {
    right: alice,
    other: bob,
    settings: async (work) => ({
      upstream: { credentials: { username: carol.name, password: { env: 'LAB_PASSWORD' } } },
      access: { anonymous: 'pull', users: { file: await passwordsOf(work, alice, bob) }, rules: onlyAlice },
      env: { LAB_PASSWORD: carol.password },
    }),
  },
  caller: { right: carol, other: dave, settings: async () => ({ upstream: { rights: 'caller' } }) },
}

function doorsOf({ repository, digest, blobs }: Image): readonly string[] {
  return [
    `/v2/lab.example/${repository}/manifests/12`,
    `/v2/lab.example/${repository}/manifests/${digest}`,
    `/v2/lab.example/${repository}/blobs/${blobs[0]!.digest}`,
    `/v2/lab.example/${repository}/tags/list`,
    `/metalink/lab.example/${repository}:12.meta4`,
    `/blobs/${blobs[0]!.digest.replace(':', '/')}`,
    `/blobs/${blobs[0]!.digest.replace(':', '/')}.meta4`,
  ]
}

describe.skipIf(isDirect()).each(['site', 'caller'] as const)('a private repository, with rights: %s', (name) => {
  const { right, other, settings } = modes[name]
  describeWith([...laboratory, 'skopeo 1.9', 'htpasswd'], 'and its clients', () => {
    test('is for who has a right to it, cold and warm, and for nobody else', async ({ upstream, work }) => {
      const image = await describeImage(upstream.url, images.docker.repository, images.docker.tag)
      const { tokens, registry } = await startPrivate(work)
      await using _tokens = tokens
      await using _registry = registry
      const { upstream: more, access, env = {} } = await settings(work)
      await using forebay = await startForebay(work, {
        upstreams: { 'lab.example': { kind: 'oci', url: registry.url, ...more } },
        more: { outbound: { allow: [tokens.host] }, ...(access && { access }) },
        env,
      })
      const reference = `${forebay.address}/lab.example/${image.repository}:12`
      const status = async (who: Login | undefined, path: string) => {
        const login = who ? ['-u', `${who.name}:${who.password}`] : []
        return Number((await run('curl', ['-s', '-o', '/dev/null', '-w', '%{http_code}', ...login, forebay.url + path])).stdout)
      }
      for (const turn of ['cold', 'warm']) {
        for (const who of [undefined, other, { ...right, password: 'not-the-password' }]) {
          for (const path of doorsOf(image)) {
            const no = [401, 403]
            const found = await status(who, path)
            expect([turn, who?.name, path, found]).toEqual([turn, who?.name, path, no.includes(found) ? found : no])
          }
          for (const client of clients.filter(({ name }) => ['skopeo', 'skopeo 1.9', 'crane', 'oras'].includes(name))) {
            const answer = await pulls(work, client, reference, who, `${turn}-${who?.name}-${who?.password.length}`)
            expect([client.name, ...isRefused(answer)]).toEqual([client.name, false, true, expect.anything()])
          }
        }
        for (const path of doorsOf(image)) expect([turn, path, await status(right, path)]).toEqual([turn, path, 200])
        const out = await work.folder(`out-${turn}`)
        const creds = ['--src-creds', `${right.name}:${right.password}`]
        const copy = ['copy', '-q', '--insecure-policy', '--src-tls-verify=false', ...creds, `docker://${reference}`, 'dir:.']
        await mustUse('skopeo', copy, { env: work.env, cwd: out })
        await expectDirectoryCopy(out, image)
        for (const client of clients.filter(({ name }) => ['skopeo 1.9', 'crane', 'oras'].includes(name)))
          expect({ client: client.name, ...(await pulls(work, client, reference, right, `${turn}-right`)) }).toEqual(ok)
      }
      // Each is known there as what it said, or as the site; and no password is anywhere in the log.
      const known = new Set(tokens.asked.map(({ user }) => user))
      expect([...known].filter((user) => user !== undefined).sort()).toEqual(name === 'site' ? ['carol'] : ['carol', 'dave'])
      await forebay.stop() // then its log is complete
      expect(await readFile(forebay.log, 'utf8')).not.toMatch(/open-sesame|let-me-in|own-password|not-the-password/)
    })
  })
})
