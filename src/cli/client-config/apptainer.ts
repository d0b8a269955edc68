import { canBePrefix, directName, withPorts } from './names.ts'
import type { Part } from './parts.ts'
import { registriesConf } from './registries-conf.ts'
import type { Site, SiteUpstream } from './site.ts'

/** The two that descend from one: they differ in names, and in who reads registries.conf. */
export const apptainer = { name: 'apptainer', variable: 'APPTAINER', readsRegistriesConf: true } as const
export const singularity = { name: 'singularity', variable: 'SINGULARITY', readsRegistriesConf: false } as const
export type Program = typeof apptainer | typeof singularity

const aboutRegistries = [
  'For docker:// in Apptainer 1.4.2 and later, and for podman, skopeo and others, who read this file too.',
  'Without "blocked" Apptainer asks the registry itself for each digest; with it, nobody asks the registry any more.',
]

export function apptainerConfig(site: Site, program: Program): readonly Part[] {
  const of = (kind: SiteUpstream['kind']) => site.upstreams.filter((upstream) => upstream.kind === kind)
  const libraries = of('library').toSorted((a, b) => Number(b.isDefault) - Number(a.isDefault))
  const [registries, hubs] = [of('oci'), of('shub')]
  return [
    ...(libraries.length > 0 ? [remoteEndpoint(site, program, libraries), environment(site, program, libraries)] : []),
    ...(registries.length > 0 && program.readsRegistriesConf
      ? [registriesConf(site, registries, { about: aboutRegistries, isBlocked: true })]
      : []),
    ...(registries.length > 0 ? [directNames(site, program, registries)] : []),
    ...(hubs.length > 0 ? [shubNames(site, program, hubs)] : []),
  ]
}

/** @see apptainer internal/pkg/remote/remote.go */
function remoteEndpoint(site: Site, { name }: Program, libraries: readonly SiteUpstream[]): Part {
  const { isPlain, url } = site
  const isBare = !isPlain && new URL(url).port === ''
  const remotes = libraries.flatMap((library) => [
    `  "${library.id}":`,
    `    URI: "${libraryUrl(site, library).replace(isBare ? 'https://' : '', '')}"`,
    ...(isPlain ? ['    Insecure: true', '    System: false'] : ['    System: true']),
    '    Exclusive: false',
  ])
  const others = libraries.length > 1 ? [`The others are chosen by: ${name} remote use NAME`] : []
  const aboutPort = ['As it stands, with its scheme: "remote add" drops that, and cannot read what is left of a URL with a port.']
  const aboutPlain = [
    'In the home of each user: without TLS, a file for everybody in /etc is not heeded by who has one of his own.',
    ...aboutPort,
  ]
  const aboutTls = [`Of one user in ~/.${name}/remote.yaml, with "System: false".`, ...(isBare ? [] : aboutPort)]
  return {
    file: isPlain ? `~/.${name}/remote.yaml` : `/etc/${name}/remote.yaml`,
    about: [
      'For library:// in all commands, and for the keys of signed images.',
      ...(isPlain ? aboutPlain : aboutTls),
      ...others,
    ],
    lines: [`Active: "${libraries[0]!.id}"`, 'Remotes:', ...remotes],
  }
}

function environment(site: Site, { name, variable }: Program, libraries: readonly SiteUpstream[]): Part {
  const [first, ...others] = libraries.map((library) => `export ${variable}_LIBRARY=${libraryUrl(site, library)}`)
  return {
    file: '/etc/profile.d/forebay.sh',
    about: ['The same without that file, but for pull, search and build alone.'],
    lines: [
      first!,
      ...others.map((line) => `#${line}`),
      ...(site.isPlain
        ? []
        : [
            `# Where an authority of the site signed the certificate of the proxy, ${name} is told of it so:`,
            '#export SSL_CERT_FILE=/etc/ssl/certs/site-ca.pem',
          ]),
    ],
  }
}

function directNames(site: Site, program: Program, registries: readonly SiteUpstream[]): Part {
  const { readsRegistriesConf } = program
  const why = readsRegistriesConf
    ? 'oras:// heeds no mirrors, and so do older releases for docker://. These names need no settings:'
    : 'docker:// and oras:// heed no mirrors. These names need no settings:'
  const schemes = ['docker', 'oras'] as const
  const names = registries
    .filter(canBePrefix)
    .flatMap((registry) => schemes.map((scheme) => `${pull(site, program)} ${scheme}://${directName(site, registry)}`))
  return { about: [why, ...names, ...(readsRegistriesConf ? [] : withPorts(registries))], lines: [] }
}

/** @see apptainer internal/pkg/client/shub/util.go (isShubPullRef) */
const nameable = /^[-.a-zA-Z0-9/]{1,64}$/

function shubNames(site: Site, program: Program, hubs: readonly SiteUpstream[]): Part {
  const place = site.url.replace(/^https?:\/\//, '')
  const lines = hubs.map(({ id, isDefault }) => {
    const registry = `${place}${isDefault ? '' : `/shub/${id}`}`
    return nameable.test(registry)
      ? `${pull(site, program)} shub://${registry}/COLLECTION/NAME:TAG`
      : `  Not "${id}": ${registry} is no registry's name in shub://, which has neither ports nor "_", and 64 letters at most.`
  })
  const isPortTheReason = place.includes(':')
  const remedy = 'Let the proxy listen on 443, or on 80 for --no-https, and say so by publicUrl.'
  return { about: ['shub:// by names that begin with the proxy:', ...lines, ...(isPortTheReason ? [remedy] : [])], lines: [] }
}

const pull = ({ isPlain }: Site, { name }: Program): string => `  ${name} pull${isPlain ? ' --no-https' : ''}`
const libraryUrl = ({ url }: Site, { id }: SiteUpstream): string => `${url}/library/${id}`
