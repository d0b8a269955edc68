import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import type { Surroundings } from '../../../src/cli/command.ts'
import { clientConfig } from '../../../src/cli/commands/client-config.ts'
import { runCommandLine } from '../../../src/cli/run.ts'
import { type TempFolder, tempFolder } from '../../kit/temp-folder.ts'

let folder: TempFolder
beforeAll(async () => {
  folder = await tempFolder()
})
afterAll(() => folder[Symbol.asyncDispose]())

const registries = {
  'docker.io': { kind: 'oci', url: 'https://registry-1.docker.io' },
  'ghcr.io': { kind: 'oci', url: 'https://ghcr.io' },
}
const libraries = {
  site: { kind: 'library', url: 'https://library.site.example' },
  sylabs: { kind: 'library', url: 'https://library.sylabs.io' },
}
const hub = { hub: { kind: 'shub', url: 'https://singularity-hub.org' } }
const plain = { publicUrl: 'http://forebay.site.example:8080' }
const tls = { publicUrl: 'https://forebay.site.example/' }
const tlsPort = { publicUrl: 'https://forebay.site.example:8443' }

/** What it prints, and how it ends. */
async function print(settings: object, ...words: string[]) {
  const file = join(folder.path, 'site.yaml')
  writeFileSync(file, JSON.stringify({ upstreams: registries, ...settings }))
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const surroundings = { version: '0', env: {}, stdout, stderr, defaultConfig: file } as unknown as Surroundings
  const code = await runCommandLine(['client-config', ...words], [clientConfig], surroundings)
  return { code, text: String(stdout.read() ?? ''), said: String(stderr.read() ?? '') }
}

/** A part without its comments. */
async function part(file: string, settings: object, ...words: string[]): Promise<string> {
  const { text } = await print(settings, ...words)
  const parts = text.split(/\n\n(?=# )/)
  const found = parts.filter((one) => one.startsWith(`# ${file}\n`))
  expect(found, `parts for ${file}`).toHaveLength(1)
  return found[0]!.replace(/^#.*$\n?/gm, '').trimEnd()
}

describe('where clients find the proxy', () => {
  test.each([
    ['publicUrl', { publicUrl: 'https://forebay.site.example', listen: { port: 81 } }, 'https://forebay.site.example'],
    ['the first listener', { listen: [{ host: '10.0.0.5', port: 80 }, { port: 81 }] }, 'http://10.0.0.5'],
    [
      'a listener with TLS',
      { listen: { host: 'a.example', port: 8443, tls: { certificate: 'a', key: 'b' } } },
      'https://a.example:8443',
    ],
    ['a listener of IPv6', { listen: { host: 'fd00::5', port: 8080 } }, 'http://[fd00::5]:8080'],
  ])('is told by %s', async (_what, settings, url) => {
    const { code, text } = await print(settings, 'podman')
    expect([code, text.split('\n')[0]]).toEqual([0, `# podman, for Forebay at ${url}`])
    expect(text).toContain(`location = "${new URL(url).host}/ghcr.io"`)
    expect(text).not.toContain('this machine alone')
  })

  test('is said to be on this machine alone where it is', async () => {
    expect((await print({}, 'podman')).text).toContain('127.0.0.1:8080\n# That is reached from this machine alone')
  })

  test.each([
    ['every address', { listen: { host: '0.0.0.0' } }],
    ['any port', { listen: { port: 0 } }],
  ])('must be said where the first listener takes %s', async (what, settings) => {
    const { code, text, said } = await print(settings, 'podman')
    expect([code, text]).toEqual([1, ''])
    expect(said).toMatch(new RegExp(`publicUrl: .*${what}`))
  })

  test.each([
    ['http://forebay', 'forebay:80'],
    ['https://localhost', 'localhost:443'],
  ])('is a host with a port where %s has no dot, as an image would be called so', async (publicUrl, host) => {
    expect((await print({ publicUrl }, 'podman')).text).toContain(`location = "${host}/ghcr.io"`)
  })

  test('is the host alone for registry clients, which know no path', async () => {
    const behind = { publicUrl: 'https://site.example/forebay/', upstreams: { ...registries, ...libraries } }
    expect(await part('/etc/containers/registries.conf.d/forebay.conf', behind, 'apptainer')).toContain('"site.example/ghcr.io"')
    expect((await print(behind, 'apptainer')).text).toContain('APPTAINER_LIBRARY=https://site.example/forebay/library/site')
  })
})

describe('podman and its kin', () => {
  const file = '/etc/containers/registries.conf.d/forebay.conf'

  test('have a mirror for each registry', async () => {
    expect(await part(file, plain, 'podman')).toBe(`[[registry]]
location = "docker.io"

[[registry.mirror]]
location = "forebay.site.example:8080/docker.io"
insecure = true

[[registry]]
location = "ghcr.io"

[[registry.mirror]]
location = "forebay.site.example:8080/ghcr.io"
insecure = true`)
  })

  test('are not told that TLS is insecure', async () => {
    expect(await part(file, tls, 'podman', '--upstream', 'ghcr.io')).toBe(`[[registry]]
location = "ghcr.io"

[[registry.mirror]]
location = "forebay.site.example/ghcr.io"`)
  })

  test('are told of what cannot be mirrored, and what to do', async () => {
    const upstreams = {
      internal: { kind: 'oci', url: 'https://r.site.example' },
      'r.site.example:5000': { kind: 'oci', url: 'https://r.site.example:5000' },
    }
    const { text } = await print({ ...tls, upstreams }, 'podman')
    expect(text).not.toContain('[[registry]]')
    expect(text).toContain('Not "internal", as no image\'s name begins so. Its images are forebay.site.example/internal/')
    expect(text).toContain('Not "r.site.example:5000": a port')
  })
})

describe('containerd', () => {
  test('has a file for each registry, and falls back to where its images are', async () => {
    expect(
      await part('/etc/containerd/certs.d/docker.io/hosts.toml', plain, 'containerd'),
    ).toBe(`server = "https://registry-1.docker.io"

[host."http://forebay.site.example:8080"]
  capabilities = ["pull", "resolve"]`)
    expect(await part('/etc/containerd/certs.d/ghcr.io/hosts.toml', tls, 'containerd')).toMatch(
      /^server = "https:\/\/ghcr.io"\n\n\[host."https:\/\/forebay.site.example"\]\n/,
    )
  })

  test('takes a registry with a port, in the folder it looks into', async () => {
    const upstreams = { 'r.site.example:5000': { kind: 'oci', url: 'https://r.site.example:5000' } }
    const file = '/etc/containerd/certs.d/r.site.example_5000_/hosts.toml'
    expect(await part(file, { ...plain, upstreams }, 'containerd')).toContain('server = "https://r.site.example:5000"')
  })
})

describe('docker', () => {
  const file = '/etc/docker/daemon.json'
  const meant = { defaults: { oci: 'docker.io' } }

  test('mirrors Docker Hub and names the rest', async () => {
    expect(JSON.parse(await part(file, { ...plain, ...meant }, 'docker'))).toEqual({
      'registry-mirrors': ['http://forebay.site.example:8080'],
      'insecure-registries': ['forebay.site.example:8080'],
    })
    expect(JSON.parse(await part(file, { ...tls, ...meant }, 'docker'))).toEqual({
      'registry-mirrors': ['https://forebay.site.example'],
    })
    const { text } = await print({ ...tls, ...meant }, 'docker')
    expect(text.match(/^# {3}docker pull .*$/gm)).toEqual(['#   docker pull forebay.site.example/ghcr.io/NAMESPACE/NAME:TAG'])
  })

  test('is told so where a mirror would be one of another registry', async () => {
    const { code, text } = await print({ ...tls, defaults: { oci: 'ghcr.io' } }, 'docker')
    expect(code).toBe(0)
    expect(text).not.toContain('registry-mirrors')
    expect(text).toMatch(/Docker Hub cannot be mirrored: .*defaults.oci/)
    expect(text).toContain('docker pull forebay.site.example/docker.io/')
  })
})

describe('apptainer', () => {
  const upstreams = { ...registries, ...libraries, ...hub }
  const defaults = { library: 'sylabs' }

  test('has a remote endpoint for each library, of which the default is in use', async () => {
    const remotes = await part('/etc/apptainer/remote.yaml', { ...tls, upstreams, defaults }, 'apptainer')
    expect(parse(remotes)).toEqual({
      Active: 'sylabs',
      Remotes: {
        sylabs: { URI: 'forebay.site.example/library/sylabs', System: true, Exclusive: false },
        site: { URI: 'forebay.site.example/library/site', System: true, Exclusive: false },
      },
    })
    expect(await part('/etc/profile.d/forebay.sh', { ...tls, upstreams, defaults }, 'apptainer')).toBe(
      'export APPTAINER_LIBRARY=https://forebay.site.example/library/sylabs',
    )
  })

  test.each([
    [
      'another port',
      tlsPort,
      '/etc/apptainer/remote.yaml',
      { URI: 'https://forebay.site.example:8443/library/sylabs', System: true },
    ],
    [
      'plain HTTP, each user of his own,',
      plain,
      '~/.apptainer/remote.yaml',
      { URI: 'http://forebay.site.example:8080/library/sylabs', Insecure: true, System: false },
    ],
  ])('has an endpoint with the scheme for %s', async (_what, site, file, remote) => {
    const remotes = await part(file, { ...site, upstreams }, 'apptainer', '--upstream', 'sylabs')
    expect(parse(remotes)).toEqual({ Active: 'sylabs', Remotes: { sylabs: { ...remote, Exclusive: false } } })
  })

  test('keeps registries from being asked', async () => {
    const file = '/etc/containers/registries.conf.d/forebay.conf'
    expect(await part(file, { ...tls, upstreams }, 'apptainer', '--upstream', 'ghcr.io')).toBe(`[[registry]]
location = "ghcr.io"
blocked = true

[[registry.mirror]]
location = "forebay.site.example/ghcr.io"`)
  })

  test.each([
    [tls, { shub: 'hub' }, '#   apptainer pull shub://forebay.site.example/COLLECTION/NAME:TAG'],
    [tls, {}, '#   apptainer pull shub://forebay.site.example/shub/hub/COLLECTION/NAME:TAG'],
    [{ publicUrl: 'http://a.example' }, {}, '#   apptainer pull --no-https shub://a.example/shub/hub/COLLECTION/NAME:TAG'],
    [plain, {}, '#   Not "hub": forebay.site.example:8080/shub/hub is no registry'],
    [{ publicUrl: `https://${'a'.repeat(60)}.example` }, {}, '#   Not "hub": '],
  ])('names shub images as that scheme can: %o %o', async (site, defaults, line) => {
    const { text } = await print({ ...site, upstreams, defaults }, 'apptainer', '--upstream', 'hub')
    expect(text).toContain(`\n${line}`)
    expect(text).not.toContain('.yaml')
  })

  test('is singularity under another name, but for mirrors, which that does not heed', async () => {
    const { text } = await print({ ...tls, upstreams, defaults }, 'singularity')
    expect(text).not.toMatch(/apptainer/i)
    expect(text).not.toContain('registries.conf')
    expect(text).toContain('/etc/singularity/remote.yaml')
    expect(text).toContain('export SINGULARITY_LIBRARY=https://forebay.site.example/library/sylabs')
    expect(text).toContain('singularity pull docker://forebay.site.example/ghcr.io/NAMESPACE/NAME:TAG')
  })
})

describe('aria2', () => {
  const upstreams = {
    ...registries,
    ...libraries,
    data: { kind: 'files', url: 'https://data.example' },
    pages: { kind: 'static', url: 'https://pages.example' },
  }

  test('is told where metalinks are', async () => {
    const { text } = await print({ ...tls, upstreams }, 'aria2')
    expect(text.match(/^# {3}aria2c .*$/gm)).toEqual(
      [
        'metalink/docker.io/NAMESPACE/NAME:TAG',
        'metalink/ghcr.io/NAMESPACE/NAME:TAG',
        'metalink/site/ENTITY/COLLECTION/NAME:TAG',
        'metalink/sylabs/ENTITY/COLLECTION/NAME:TAG',
        'files/data/PATH',
        'metalink/pages/NAMESPACE/NAME:TAG',
      ].map((path) => `#   aria2c https://forebay.site.example/${path}.meta4`),
    )
  })

  test('prefers places of our own country', async () => {
    const file = '~/.config/aria2/aria2.conf'
    expect(await part(file, { ...plain, site: { country: 'de' } }, 'aria2')).toBe(
      'follow-metalink=mem\ncheck-integrity=true\nmin-split-size=4M\nmetalink-location=de',
    )
  })
})

describe('what cannot be printed', () => {
  test.each([
    [['wget'], 2, /"wget": there are apptainer, singularity, podman, containerd, docker, aria2/],
    [['podman', '--upstream', 'quay.io'], 3, /no upstream named "quay.io"/],
    [['podman', '--upstream', 'sylabs'], 2, /podman: it pulls from upstreams of kind oci, and here is one of kind library/],
    [[], 2, /needs CLIENT/],
  ])('%j ends with %i and says why', async (words, code, why) => {
    const ended = await print({ ...tls, upstreams: { ...registries, ...libraries } }, ...words)
    expect([ended.code, ended.text]).toEqual([code, ''])
    expect(ended.said).toMatch(why)
  })

  test('is a secret', async () => {
    writeFileSync(join(folder.path, 'secret'), 'cheese\n')
    const credentials = { username: 'robot', password: { file: join(folder.path, 'secret') } }
    const upstreams = { 'docker.io': { ...registries['docker.io'], credentials } }
    for (const client of ['apptainer', 'singularity', 'podman', 'containerd', 'docker', 'aria2']) {
      const { code, text } = await print({ ...tls, upstreams }, client)
      expect([client, code]).toEqual([client, 0])
      expect(text).not.toMatch(/cheese|robot|secret/)
    }
  })
})

describe('docs/clients.md shows what is printed', () => {
  const page = readFileSync(new URL('../../../docs/clients.md', import.meta.url), 'utf8')
  const shown = [...page.matchAll(/^```(?:yaml|toml|json|sh)\n(.*?)\n```$/gms)].map(([, block]) => block!)
  const upstreams = { 'docker.io': registries['docker.io'], sylabs: libraries.sylabs }
  const defaults = { oci: 'docker.io' }

  test.each([
    ['apptainer', '/etc/apptainer/remote.yaml', tls],
    ['apptainer', '~/.apptainer/remote.yaml', plain],
    ['apptainer', '/etc/profile.d/forebay.sh', plain],
    ['apptainer', '/etc/containers/registries.conf.d/forebay.conf', plain],
    ['podman', '/etc/containers/registries.conf.d/forebay.conf', plain],
    ['containerd', '/etc/containerd/certs.d/docker.io/hosts.toml', plain],
    ['docker', '/etc/docker/daemon.json', plain],
  ])('for %s in %s', async (client, file, site) => {
    expect(shown).toContain(await part(file, { ...site, upstreams, defaults }, client))
    expect(page).toContain(`\`${file}\``)
  })
})
