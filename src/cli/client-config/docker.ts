import { canBePrefix, directName, withPorts } from './names.ts'
import type { Part } from './parts.ts'
import type { Site } from './site.ts'

const aboutFile = 'Add this to what the file has, without these comments, and restart dockerd.'
const aboutMirror =
  "Docker's own image store takes a mirror of Docker Hub only, and asks Docker Hub itself where that does not answer."
const notMeant =
  'Docker Hub cannot be mirrored: requests to a mirror name no registry, and defaults.oci is not the upstream that is it.'

/** @see Docker docs, "Configure the Docker daemon to use a registry mirror" */
export function dockerConfig(site: Site): readonly Part[] {
  const { host, isPlain, upstreams } = site
  const hub = upstreams.find(({ isHub }) => isHub)
  const settings = {
    ...(hub?.isDefault && { 'registry-mirrors': [`${isPlain ? 'http' : 'https'}://${host}`] }),
    ...(isPlain && { 'insecure-registries': [host] }),
  }
  const isMirror = 'registry-mirrors' in settings
  const named = upstreams.filter((upstream) => !isMirror || upstream !== hub)
  const names = [
    ...(hub && !isMirror ? [notMeant] : []),
    ...(named.length > 0 ? ['Images of other registries by names that begin with the proxy:'] : []),
    ...named.filter(canBePrefix).map((upstream) => `  docker pull ${directName(site, upstream)}`),
    ...withPorts(named),
  ]
  return [
    ...(names.length > 0 ? [{ about: names, lines: [] }] : []),
    ...(Object.keys(settings).length > 0
      ? [
          {
            file: '/etc/docker/daemon.json',
            about: [aboutFile, ...(isMirror ? [aboutMirror] : [])],
            lines: [JSON.stringify(settings, undefined, 2)],
          },
        ]
      : []),
  ]
}
