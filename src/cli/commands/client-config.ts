import { Fault } from '../../model/fault.ts'
import { apptainer, apptainerConfig, singularity } from '../client-config/apptainer.ts'
import { aria2Config } from '../client-config/aria2.ts'
import { containerdConfig } from '../client-config/containerd.ts'
import { dockerConfig } from '../client-config/docker.ts'
import { type Part, printParts } from '../client-config/parts.ts'
import { podmanConfig } from '../client-config/podman.ts'
import { isLoopback, type Site, siteOf } from '../client-config/site.ts'
import { type Command, exitCodes } from '../command.ts'
import { readSettings } from '../settings.ts'

interface Client {
  /** Of upstreams that it can pull from. */
  readonly kinds: readonly Site['upstreams'][number]['kind'][]
  readonly print: (site: Site) => readonly Part[]
}

const clients: Readonly<Record<string, Client>> = {
  apptainer: { kinds: ['oci', 'library', 'shub'], print: (site) => apptainerConfig(site, apptainer) },
  singularity: { kinds: ['oci', 'library', 'shub'], print: (site) => apptainerConfig(site, singularity) },
  podman: { kinds: ['oci'], print: podmanConfig },
  containerd: { kinds: ['oci'], print: containerdConfig },
  docker: { kinds: ['oci'], print: dockerConfig },
  aria2: { kinds: ['oci', 'library', 'shub', 'static', 'files'], print: aria2Config },
}
const names = Object.keys(clients).join(', ')

export const clientConfig: Command = {
  name: 'client-config',
  parameters: 'CLIENT',
  options: { upstream: { value: 'NAME', help: 'Of this upstream alone' } },
  summary: 'Print what a client has to be told to go through this proxy',
  more:
    `CLIENT is one of ${names}; podman stands for buildah, skopeo and CRI-O too.\n` +
    'Each part begins with the name of the file that it goes into. Our URL in it is publicUrl, or else that of the first listener.',
  async run(given, surroundings) {
    const [name] = given.words as [string]
    const client = Object.hasOwn(clients, name) ? clients[name]! : undefined
    if (client === undefined) throw new Fault('request-invalid', { what: `"${name}"`, why: `there are ${names}` })
    const { upstream } = given.options
    const site = siteOf(readSettings(given, surroundings), typeof upstream === 'string' ? upstream : undefined)
    const upstreams = site.upstreams.filter(({ kind }) => client.kinds.includes(kind))
    if (upstreams.length === 0) throw new Fault('request-invalid', { what: name, why: unfit(client, site) })
    surroundings.stdout.write(printParts([head(name, site), ...client.print({ ...site, upstreams })]))
    return exitCodes.done
  },
}

function unfit({ kinds }: Client, { upstreams }: Site): string {
  const there = [...new Set(upstreams.map(({ kind }) => kind))].join(', ')
  return `it pulls from upstreams of kind ${kinds.join(', ')}, and here is one of kind ${there}`
}

function head(name: string, site: Site): Part {
  const alone = 'That is reached from this machine alone; for others, set publicUrl and listen in the settings.'
  return { about: [`${name}, for Forebay at ${site.url}`, ...(isLoopback(site) ? [alone] : [])], lines: [] }
}
