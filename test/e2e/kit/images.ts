import { createHash, randomBytes } from 'node:crypto'
import { cp, mkdir, readdir, readFile, rename, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Registry, type RegistryPlan, startRegistry } from './registry.ts'
import { succeed } from './run.ts'
import { baseImage, cacheDirectory, mustUse } from './tools.ts'
import { takeTurn } from './turn.ts'
import { type WorkDir, workDir } from './work-dir.ts'

/** What the registry of the tests holds. All of it is made from a real Debian and pushed by real clients. */
export const images = {
  /** An OCI index: linux/amd64 and linux/arm64 with the same layers and other configs. */
  index: { repository: 'lab/debian', tag: '12' },
  /** The same layers under a Docker v2 schema 2 manifest, single platform. */
  docker: { repository: 'lab/debian-docker', tag: '12' },
  /** The same files in zstd layers, single platform. */
  zstd: { repository: 'lab/debian-zstd', tag: '12' },
  /** The same files in zstd layers that a client may read in parts, single platform. */
  chunked: { repository: 'lab/debian-chunked', tag: '12' },
  /** One SIF made by apptainer, pushed by oras. */
  sif: { repository: 'lab/tool', tag: '1.0' },
} as const

/** What is attached to the SIF image, by the referrers tag scheme. */
export const attached = { artifactType: 'application/spdx+json', file: 'sbom.spdx.json' } as const

/** A registry that holds `images`. They are made once and kept in the cache directory. */
export async function startRegistryWithImages(work: WorkDir, plan: Omit<RegistryPlan, 'seed'> = {}): Promise<Registry> {
  return startRegistry(work, { ...plan, seed: await imageStore() })
}

const dayMs = 86_400_000

async function imageStore(): Promise<string> {
  const folder = join(cacheDirectory(), `images-${await recipe()}`)
  await using _ = await takeTurn('images')
  if ((await stat(folder).catch(() => undefined)) === undefined) await makeStore(folder)
  await utimes(folder, new Date(), new Date())
  return folder
}

/** In place of those that nobody used for a day: another checkout may be at work with its own. */
async function makeStore(folder: string): Promise<void> {
  await using work = await workDir('images')
  await using registry = await startRegistry(work)
  await makeImages(work, registry.address)
  await registry.stop()
  for (const name of await readdir(cacheDirectory())) {
    const old = join(cacheDirectory(), name)
    if (!name.startsWith('images-') || (await stat(old)).mtimeMs > Date.now() - dayMs) continue
    await rm(old, { recursive: true, force: true })
  }
  const fresh = `${folder}.${process.pid}`
  await cp(work.file('registry', 'storage'), fresh, { recursive: true })
  await rename(fresh, folder)
}

/** Changes with the base and with this file. */
async function recipe(): Promise<string> {
  const { size, mtimeMs } = await stat(baseImage())
  const text = await readFile(import.meta.filename)
  return createHash('sha256').update(text).update(`${size} ${mtimeMs}`).digest('hex').slice(0, 12)
}

async function makeImages(work: WorkDir, address: string): Promise<void> {
  const options = { env: work.env, cwd: work.path }
  const crane = (...args: string[]): Promise<string> => mustUse('crane', args, options)
  const skopeo = (...args: string[]): Promise<string> =>
    mustUse('skopeo', ['--insecure-policy', 'copy', '--src-tls-verify=false', '--dest-tls-verify=false', ...args], options)

  const index = `${address}/lab/debian`
  const layers = await makeLayers(work)
  const plain = `${index}:12-plain`
  await crane('append', '--oci-empty-base', ...layers.flatMap((file) => ['-f', file]), '-t', plain)
  for (const arch of ['amd64', 'arm64']) {
    const change = ['--set-platform', `linux/${arch}`, '--cmd', '/opt/tool/run']
    await crane('mutate', plain, ...change, '-t', `${index}:12-${arch}`)
  }
  await crane('index', 'append', '-m', `${index}:12-amd64`, '-m', `${index}:12-arm64`, '-t', `${index}:12`)

  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  await skopeo('--format', 'v2s2', `docker://${index}:12-${arch}`, `docker://${address}/lab/debian-docker:12`)
  const repacked = { 'debian-zstd': 'zstd', 'debian-chunked': 'zstd:chunked' }
  for (const [name, format] of Object.entries(repacked)) {
    const how = ['--format', 'oci', '--dest-compress-format', format, '--dest-force-compress-format']
    await skopeo(...how, `docker://${index}:12-${arch}`, `docker://${address}/lab/${name}:12`)
  }
  await pushSif(work, address)
}

// More than a shell and some tools would only be the same work again for every client that unpacks it.
const tools = ['bash', 'cat', 'cp', 'dash', 'env', 'find', 'grep', 'head', 'ls', 'mkdir', 'rm', 'sed', 'sh', 'sort', 'tar', 'wc']
const unused = 'apt|crypto|db-|ext2fs|gcrypt|gmp|gnutls|hogweed|icu|mvec|nettle|p11-kit|sepol|ssl|stdc|systemd|unistring|zstd'
const spare = ['bin/*', 'sbin/*', 'share/*', 'lib/*perl*', 'lib/apt', ...unused.split('|').map((name) => `lib/*lib${name}*`)]

/** Debian itself, a program, a data file, and a layer that takes something away again. */
async function makeLayers(work: WorkDir): Promise<string[]> {
  const base = await layer(work, 'base', async (root) => {
    await succeed('tar', [
      '-C',
      root,
      '-xf',
      baseImage(),
      ...spare.map((path) => `--exclude=./usr/${path}`),
      '--exclude=./var/lib/*',
    ])
    await succeed('tar', ['-C', root, '-xf', baseImage(), ...tools.map((name) => `./usr/bin/${name}`)])
  })
  const program = await layer(work, 'program', async (root) => {
    await mkdir(join(root, 'opt/tool'), { recursive: true })
    await writeFile(join(root, 'opt/tool/run'), '#!/bin/sh\necho "tool runs on $(cat /etc/debian_version)"\n', { mode: 0o755 })
    await writeFile(join(root, 'opt/tool/draft'), 'not for release\n')
  })
  const data = await layer(work, 'data', async (root) => {
    const file = join(root, 'opt/tool/data')
    await mkdir(dirname(file), { recursive: true })
    await cp(process.execPath, file)
    await truncate(file, 4 * 1024 * 1024)
  })
  const removal = await layer(work, 'removal', async (root) => {
    await mkdir(join(root, 'opt/tool'), { recursive: true })
    await writeFile(join(root, 'opt/tool/.wh.draft'), '')
  })
  return [base, program, data, removal]
}

async function layer(work: WorkDir, name: string, fill: (root: string) => Promise<void>): Promise<string> {
  await fill(await work.folder(name))
  const file = `${name}.tar.gz`
  await succeed('tar', ['-C', name, '--owner=0', '--group=0', '--sort=name', '-czf', file, '.'], { cwd: work.path })
  return file
}

async function pushSif(work: WorkDir, address: string): Promise<void> {
  const options = { env: work.env, cwd: work.path }
  await cp(work.file('data'), work.file('base'), { recursive: true })
  await writeFile(work.file('base/opt/tool/noise'), randomBytes(8 * 1024 * 1024)) // so that there are parts enough
  await mustUse('apptainer', ['build', 'tool.sif', work.file('base')], options)
  await writeFile(work.file('config.json'), '{}')
  await mustUse(
    'oras',
    [
      'push',
      '--plain-http',
      '--config',
      'config.json:application/vnd.sylabs.sif.config.v1+json',
      `${address}/lab/tool:1.0`,
      'tool.sif:application/vnd.sylabs.sif.layer.v1.sif',
    ],
    options,
  )
  await writeFile(work.file(attached.file), JSON.stringify({ spdxVersion: 'SPDX-2.3', name: 'tool' }))
  await mustUse(
    'oras',
    [
      'attach',
      '--plain-http',
      '--distribution-spec',
      'v1.1-referrers-tag',
      '--artifact-type',
      attached.artifactType,
      `${address}/lab/tool:1.0`,
      `${attached.file}:${attached.artifactType}`,
    ],
    options,
  )
}
