import type { Config } from '../config/config.ts'

/** For the person who typed the command: where the proxy is, and a line to try for each kind of upstream there is. */
export function printGreeting(url: string, { store, upstreams }: Pick<Config, 'store' | 'upstreams'>): string {
  const first = (kind: string) => [...upstreams.values()].find((one) => one.kind === kind)?.id
  const [library, files] = [first('library'), first('files')]
  const lines = [
    ...registryLines(new URL(url), [...upstreams.keys()].find((id) => id === 'docker.io') ?? first('oci')),
    ...(library ? [`apptainer pull --library ${url}/library/${library} library://ENTITY/COLLECTION/NAME:TAG`] : []),
    ...(files ? [`curl -O ${url}/files/${files}/PATH`] : []),
  ]
  return [
    `Forebay listens on ${url} and keeps everything in ${store.path}`,
    'Try it, from another shell:',
    ...lines.map((line) => `  ${line}`),
    'What clients have to be told so that names stay as they are: npx forebay client-config apptainer, or podman, docker, …',
    '',
  ].join('\n')
}

function registryLines({ origin, host, protocol }: URL, registry: string | undefined): string[] {
  if (registry === undefined) return []
  const [name, tag] = registry === 'docker.io' ? [`${registry}/library/alpine`, '3.20'] : [`${registry}/NAME`, 'TAG']
  const plainly = (option: string) => (protocol === 'http:' ? ` ${option}` : '')
  return [
    `apptainer pull${plainly('--no-https')} docker://${host}/${name}:${tag}`,
    `skopeo copy${plainly('--src-tls-verify=false')} docker://${host}/${name}:${tag} dir:pulled`,
    `podman pull${plainly('--tls-verify=false')} ${host}/${name}:${tag}`,
    `curl ${origin}/v2/${name}/manifests/${tag}`,
  ]
}
