import { existsSync } from 'node:fs'
import { copyFile, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { digestOfBytes, MiB, seededBytes } from '../kit/blobs.ts'
import { createFakeLibrary, type FakeLibrary } from '../kit/library-upstream.ts'
import { deadPort, isFree } from '../kit/ports.ts'
import { buildSif } from '../kit/sif.ts'
import { caFile, tlsFiles } from '../kit/tls.ts'
import { fileDigest } from './kit/check-bytes.ts'
import { type ClientConfig, clientConfig, putInPlace } from './kit/client-config.ts'
import { startContainerd } from './kit/containerd.ts'
import { describeImage } from './kit/describe-image.ts'
import { startDockerd } from './kit/dockerd.ts'
import { type Forebay, type ForebayPlan, lastWords, startForebay } from './kit/forebay.ts'
import { images } from './kit/images.ts'
import { laboratory, test as plain } from './kit/laboratory.ts'
import { storageDriver } from './kit/storage-driver.ts'
import { cannotRun, describeWith, mustUse, use } from './kit/tools.ts'
import { takeTurn } from './kit/turn.ts'
import { type WatchedHost, watchHost } from './kit/watched-host.ts'
import type { WorkDir } from './kit/work-dir.ts'

// The registry by its own name: an address of loopback where nobody is, but for who counts whoever comes.
const registry = '127.80.0.9'
const image = images.docker
const name = `${registry}/${image.repository}:${image.tag}`
const sif = (seed: string) => buildSif({ partitions: [{ bytes: seededBytes(6 * MiB, seed) }] })
const [tool, other] = [sif('client-config'), sif('client-config, of another library')]

const test = plain
  .extend('place', async ({ skip }, { onCleanup }): Promise<WatchedHost> => {
    const place = await watchHost(registry)
    if (place === undefined) return cannotRun(skip, `ports 80 and 443 of ${registry} are taken`)
    onCleanup(() => place[Symbol.asyncDispose]())
    return place
  })
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the names of fixtures off this parameter
  .extend('libraries', async ({}, { onCleanup }): Promise<readonly FakeLibrary[]> => {
    const libraries = [await createFakeLibrary(), await createFakeLibrary()]
    libraries[0]!.push('lab/tools/tool:v1', tool)
    libraries[1]!.push('lab/tools/tool:v1', other)
    onCleanup(async () => {
      for (const library of libraries) await library[Symbol.asyncDispose]()
    })
    return libraries
  })
  .extend('forebay', async ({ work, upstream, libraries, task }, { onCleanup }): Promise<Forebay> => {
    const forebay = await start(work, upstream, libraries)
    onCleanup(async () => {
      await forebay.stop()
      if (task.result?.state === 'fail') console.log(await lastWords(forebay))
    })
    return forebay
  })

function start(
  work: WorkDir,
  upstream: { url: string },
  libraries: readonly FakeLibrary[],
  more: object = {},
  alsoAt: ForebayPlan['alsoAt'] = [],
) {
  const [one, two] = libraries
  return startForebay(work, {
    upstreams: {
      [registry]: { kind: 'oci', url: upstream.url },
      sylabs: { kind: 'library', url: one!.url },
      site: { kind: 'library', url: two!.url },
    },
    alsoAt,
    more: {
      defaults: { oci: registry, library: 'sylabs' },
      outbound: { allow: libraries.map(({ files }) => files.host) },
      ...more,
    },
  })
}

/** Somebody on a machine that was set up as the command says, with an empty cache. */
async function setUp(work: WorkDir, config: ClientConfig, called: string) {
  const home = await work.folder(called)
  const root = await work.folder(`${called}/root`)
  await putInPlace(config, { home, root })
  // Of one user, as the part itself says: the files of this machine stay as they are.
  const registries = config.files.get('/etc/containers/registries.conf.d/forebay.conf')
  if (registries !== undefined)
    await putInPlace(
      { ...config, files: new Map([['~/.config/containers/registries.conf.d/forebay.conf', registries]]) },
      { home, root },
    )
  return { home, root, options: { cwd: home, env: { HOME: home, XDG_RUNTIME_DIR: home, APPTAINER_TMPDIR: home } } }
}

async function pulled(folder: string): Promise<string> {
  return fileDigest(join(folder, 'a.sif'))
}

describeWith([...laboratory, 'apptainer', 'bash'], 'apptainer, set up by what client-config prints', () => {
  test('pulls docker:// by the name of the registry, cold, warm and with it gone, and nobody goes there', async ({
    work,
    upstream,
    forebay,
    place,
    onTestFinished,
  }) => {
    onTestFinished(() => upstream.start())
    const before = await setUp(work, { text: '', files: new Map(), commands: [] }, 'before')
    expect((await use('apptainer', ['pull', 'a.sif', `docker://${name}`], before.options)).code).toBe(255)
    const callers = place.callers
    expect(callers, 'who was not set up').toBeGreaterThan(0)
    for (const phase of ['cold', 'warm', 'off']) {
      const { options } = await setUp(work, await clientConfig(forebay, 'apptainer'), phase)
      if (phase === 'off') await upstream.stop()
      await mustUse('apptainer', ['pull', 'a.sif', `docker://${name}`], options)
      expect(await mustUse('apptainer', ['sif', 'list', 'a.sif'], options)).toMatch(/FS \(Squashfs/)
    }
    expect(place.callers).toBe(callers)
  })

  test('pulls library:// of the library that is meant, and of another that is chosen', async ({ work, forebay, libraries }) => {
    const { home, options } = await setUp(work, await clientConfig(forebay, 'apptainer'), 'user')
    await mustUse('apptainer', ['pull', 'a.sif', 'library://lab/tools/tool:v1'], options)
    expect(await pulled(home)).toBe(digestOfBytes(tool))
    await mustUse('apptainer', ['remote', 'use', 'site'], options)
    await mustUse('apptainer', ['pull', '--force', 'a.sif', 'library://lab/tools/tool:v1'], options)
    expect(await pulled(home)).toBe(digestOfBytes(other))
    expect(libraries.map(({ transfers }) => transfers)).toEqual([1, 1])
  })

  test('pulls library:// by the environment alone, of one library where one is asked for', async ({ work, forebay }) => {
    const script = '. "$1/etc/profile.d/forebay.sh"; apptainer pull a.sif library://lab/tools/tool:v1'
    for (const [bytes, ...which] of [[tool], [other, '--upstream', 'site']] as const) {
      const config = await clientConfig(forebay, 'apptainer', ...which)
      const profile = new Map([...config.files].filter(([file]) => file === '/etc/profile.d/forebay.sh'))
      const { home, root, options } = await setUp(work, { ...config, files: profile }, `user${which.length}`)
      await mustUse('bash', ['-euc', script, 'sh', root], options)
      expect(await pulled(home)).toBe(digestOfBytes(bytes))
    }
  })

  test('reads what is printed for singularity, which it descends from, under its own names', async ({ work, forebay }) => {
    const config = await clientConfig(forebay, 'singularity')
    const remotes = config.files.get('~/.singularity/remote.yaml')!
    const asOurs = { ...config, files: new Map([['~/.apptainer/remote.yaml', remotes]]) }
    const { home, options } = await setUp(work, asOurs, 'user')
    await mustUse('apptainer', ['pull', 'a.sif', 'library://lab/tools/tool:v1'], options)
    expect(await pulled(home)).toBe(digestOfBytes(tool))
    // This one reads the other's variables too.
    const profile = new Map([...config.files].filter(([file]) => file === '/etc/profile.d/forebay.sh'))
    const by = await setUp(work, { ...config, files: profile }, 'by-environment')
    const script = '. "$1/etc/profile.d/forebay.sh"; apptainer pull a.sif library://lab/tools/tool:v1'
    await mustUse('bash', ['-euc', script, 'sh', by.root], by.options)
    expect(await pulled(by.home)).toBe(digestOfBytes(tool))
  })

  test('pulls oras:// by the command that stands there', async ({ work, upstream, forebay, place }) => {
    const { home, options } = await setUp(work, await clientConfig(forebay, 'apptainer'), 'user')
    const { commands } = await clientConfig(forebay, 'apptainer', '--upstream', registry)
    const command = commands.find((line) => line.includes('oras://'))!
    const reference = `${images.sif.repository}:${images.sif.tag}`
    await mustUse(
      'bash',
      ['-euc', command.replace('pull', 'pull --name a.sif').replace('NAMESPACE/NAME:TAG', reference)],
      options,
    )
    const { blobs } = await describeImage(upstream.url, images.sif.repository, images.sif.tag)
    expect(blobs.map(({ digest }) => digest)).toContain(await pulled(home))
    expect(place.callers).toBe(0)
  })

  const ports = [
    ['port 443', 443],
    ['another port', undefined],
  ] as const
  test.for(ports)(
    'does all that over TLS on %s, for everybody on the machine',
    async ([, usual], { work, upstream, libraries, place, skip }) => {
      const port = usual ?? (await deadPort())
      await using _ = usual && (await takeTurn('port 443'))
      if (!(await isFree(port, '127.0.0.1'))) cannotRun(skip, `port ${port} of loopback is taken`)
      const env = { SSL_CERT_FILE: work.file('ca.pem') }
      await copyFile(caFile, env.SSL_CERT_FILE)
      const publicUrl = `https://localhost${usual ? '' : `:${port}`}`
      const door = { host: '127.0.0.1', port, tls: tlsFiles('server') }
      await using forebay = await start(work, upstream, libraries, { publicUrl }, [door])
      const { home, root, options } = await setUp(work, await clientConfig(forebay, 'apptainer'), 'user')
      expect(existsSync(join(home, '.apptainer', 'remote.yaml'))).toBe(false)
      const script = `
      mount --bind "$1/etc/apptainer/remote.yaml" /etc/apptainer/remote.yaml
      apptainer pull a.sif library://lab/tools/tool:v1
      ${usual ? `apptainer pull b.sif docker://${name}` : ''}`
      await mustUse('bash', ['-euc', script, 'sh', root], { ...options, env: { ...options.env, ...env } })
      expect(await pulled(home)).toBe(digestOfBytes(tool))
      if (usual) expect(await mustUse('apptainer', ['sif', 'list', 'b.sif'], options)).toMatch(/FS \(Squashfs/)
      expect(place.callers).toBe(0)
    },
  )
})

for (const skopeo of ['skopeo 1.9', 'skopeo'] as const) {
  describeWith([...laboratory, skopeo], `${skopeo}, set up by what client-config prints`, () => {
    test('copies by the name of the registry, and nobody goes there', async ({ work, forebay, place }) => {
      const { options } = await setUp(work, await clientConfig(forebay, 'podman'), 'user')
      await mustUse(skopeo, ['copy', '--insecure-policy', `docker://${name}`, 'dir:copy'], options)
      expect(place.callers).toBe(0)
    })

    test('asks the registry where the proxy does not answer, unless it is blocked', async ({ work, forebay, place }) => {
      const config = await clientConfig(forebay, 'podman')
      const blocked = new Map(
        [...config.files].map(([file, text]) => [file, text.replace(/^location.*$/m, '$&\nblocked = true')]),
      )
      const copy = async ({ options }: Awaited<ReturnType<typeof setUp>>) =>
        (await use(skopeo, ['copy', '--insecure-policy', `docker://${name}`, 'dir:copy'], options)).code
      const user = await setUp(work, { ...config, files: blocked }, 'blocked')
      expect(await copy(user)).toBe(0)
      await forebay.stop()
      expect(await copy(user)).not.toBe(0)
      expect(place.callers).toBe(0)
      expect(await copy(await setUp(work, config, 'open'))).not.toBe(0)
      expect(place.callers).toBeGreaterThan(0)
    })
  })
}

describeWith([...laboratory, 'podman'], 'podman, set up by what client-config prints', () => {
  test('pulls by the name of the registry, and nobody goes there', async ({ work, upstream, forebay, place }) => {
    const { digest } = await describeImage(upstream.url, image.repository, image.tag)
    const { home, options } = await setUp(work, await clientConfig(forebay, 'podman'), 'user')
    const driver = await storageDriver(home)
    const storage = [
      '--root',
      `${home}/storage`,
      '--runroot',
      `${home}/run`,
      '--storage-driver',
      driver,
      '--events-backend',
      'none',
    ]
    await mustUse('podman', [...storage, 'pull', '-q', name], options)
    expect(place.callers).toBe(0)
    const told = await mustUse('podman', [...storage, 'image', 'inspect', '--format', '{{.Digest}}', name], options)
    expect(told.trim()).toBe(digest)
  })
})

describeWith([...laboratory, 'containerd', 'ctr'], 'containerd, set up by what client-config prints', () => {
  test('pulls by the name of the registry, and nobody goes there', async ({ work, upstream, forebay, place }) => {
    const { digest, blobs } = await describeImage(upstream.url, image.repository, image.tag)
    const { home, root, options } = await setUp(work, await clientConfig(forebay, 'containerd'), 'user')
    await using node = await startContainerd(`${home}/containerd`, options.env)
    await node.ctr('images', 'pull', '--hosts-dir', `${root}/etc/containerd/certs.d`, '--snapshotter', node.snapshotter, name)
    expect(place.callers).toBe(0)
    expect(await node.ctr('images', 'ls')).toContain(digest)
    expect((await node.ctr('content', 'ls', '-q')).split('\n')).toEqual(expect.arrayContaining(blobs.map((one) => one.digest)))
  })
})

describeWith([...laboratory, 'dockerd', 'docker', 'containerd'], 'docker, set up by what client-config prints', () => {
  test('pulls what has no registry in its name, and others by the name that stands there, cold, warm and with the upstream gone', async ({
    work,
    upstream,
    onTestFinished,
  }) => {
    onTestFinished(() => upstream.start())
    const { digest } = await describeImage(upstream.url, image.repository, image.tag)
    const kind = { kind: 'oci', url: upstream.url, freshFor: '1s', staleIfError: '1d' }
    await using forebay = await startForebay(work, { upstreams: { 'docker.io': kind, [registry]: kind } })
    const config = await clientConfig(forebay, 'docker')
    const settings = config.files.get('/etc/docker/daemon.json')!.replace(/^#.*$/gm, '')
    const other = /docker pull (\S+)/.exec(config.text)![1]!.replace('NAMESPACE/NAME:TAG', `${image.repository}:${image.tag}`)
    const { home, options } = await setUp(work, config, 'user')
    await using node = await startDockerd(`${home}/dockerd`, settings, options)
    for (const phase of ['cold', 'warm', 'off']) {
      if (phase === 'off') await upstream.stop()
      const own = `${image.repository}:${image.tag}`
      for (const one of phase === 'warm' ? [own, other] : [own]) {
        await node.docker('pull', '-q', one)
        const told = await node.docker('image', 'inspect', '--format', '{{.RepoDigests}}', one)
        expect([phase, told]).toEqual([phase, expect.stringContaining(digest)])
        await node.docker('rmi', one)
      }
    }
  })
})

for (const tool of ['aria2c', 'aria2c 1.36'] as const) {
  describeWith([...laboratory, tool], `${tool}, set up by what client-config prints`, () => {
    test('gets an image by the command that stands there, and what is there is not fetched again', async ({
      work,
      upstream,
      forebay,
    }) => {
      const { home, options } = await setUp(work, await clientConfig(forebay, 'aria2'), 'user')
      const { commands } = await clientConfig(forebay, 'aria2', '--upstream', registry)
      const { repository, tag } = images.sif
      const [, url = ''] = commands[0]!.replace('NAMESPACE/NAME:TAG', `${repository}:${tag}`).split(' ')
      await mustUse(tool, ['--file-allocation=none', '-d', 'out', url], options)
      const files = await readdir(join(home, 'out'))
      expect(files).toHaveLength(1)
      expect((await describeImage(upstream.url, repository, tag)).blobs.map(({ digest }) => digest)).toContain(
        await fileDigest(join(home, 'out', files[0]!)),
      )
      expect(await mustUse(tool, ['--file-allocation=none', '-d', 'out', url], options)).toContain('Verification finished')
      await forebay.stop() // then its log is complete
      const asked = [...(await readFile(forebay.log, 'utf8')).matchAll(/"path":"([^"]*)"/g)].map(([, path = '']) => path)
      const again = asked.findLastIndex((path) => path.endsWith('.meta4'))
      const blobs = (paths: string[]) => paths.filter((path) => path.startsWith('/blobs/'))
      expect(blobs(asked.slice(0, again)).length).toBeGreaterThan(0)
      expect(blobs(asked.slice(again))).toEqual([])
    })
  })
}
