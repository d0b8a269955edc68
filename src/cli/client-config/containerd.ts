import { withoutNames } from './names.ts'
import type { Part } from './parts.ts'
import type { Site, SiteUpstream } from './site.ts'

const folder = '/etc/containerd/certs.d'
const about = [
  `For containerd and nerdctl; with ctr: ctr images pull --hosts-dir ${folder} NAME`,
  'The CRI plugin, which serves Kubernetes, reads this folder where /etc/containerd/config.toml says so:',
  `  containerd 1: [plugins."io.containerd.grpc.v1.cri".registry] config_path = "${folder}"`,
  `  containerd 2: [plugins."io.containerd.cri.v1.images".registry] config_path = "${folder}"`,
  'Each request says by ns= which registry is meant; where the proxy does not answer, its "server" is asked.',
]

/** @see containerd docs/hosts.md */
export function containerdConfig(site: Site): readonly Part[] {
  return [
    { about: [...about, ...withoutNames(site, site.upstreams)], lines: [] },
    ...site.upstreams.flatMap((upstream) => hostsFile(site, upstream)),
  ]
}

function hostsFile({ host, isPlain }: Site, { registry }: SiteUpstream): Part[] {
  if (registry === undefined) return []
  const server = registry === 'docker.io' ? 'registry-1.docker.io' : registry
  const lines = [
    `server = "https://${server}"`,
    '',
    `[host."${isPlain ? 'http' : 'https'}://${host}"]`,
    '  capabilities = ["pull", "resolve"]',
    ...(isPlain ? [] : ['  #ca = "/etc/ssl/certs/site-ca.pem" # where an authority of the site signed its certificate']),
  ]
  return [{ file: `${folder}/${registry.replace(/:(\d+)$/, '_$1_')}/hosts.toml`, about: [], lines }]
}
