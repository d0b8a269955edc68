import type { Part } from './parts.ts'
import { registriesConf } from './registries-conf.ts'
import type { Site } from './site.ts'

const about = [
  'For podman, buildah, skopeo and CRI-O; of one user in ~/.config/containers/registries.conf.d/forebay.conf.',
  'Where the proxy does not answer they ask the registry itself. "blocked = true" below its location keeps them from that.',
]

export function podmanConfig(site: Site): readonly Part[] {
  return [registriesConf(site, site.upstreams, { about, isBlocked: false })]
}
