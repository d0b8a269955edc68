const dockerHub = 'docker.io'
const dockerHubNames: ReadonlySet<string> = new Set(['index.docker.io', 'registry-1.docker.io'])

/** Lower case, without the port that https implies; the names Docker Hub goes by are one. */
export function normalizeRegistry(host: string): string {
  const bare = host.toLowerCase().replace(/:443$/, '')
  return dockerHubNames.has(bare) ? dockerHub : bare
}

/** Docker Hub is where `alpine` means `library/alpine`. */
export function isDockerHub({ id, url }: { readonly id: string; readonly url: URL }): boolean {
  return normalizeRegistry(id) === dockerHub || normalizeRegistry(url.host) === dockerHub
}

/** Tells a registry from the first part of a repository name, as container clients do. */
export function looksLikeRegistry(segment: string): boolean {
  return segment.includes('.') || segment.includes(':') || segment === 'localhost'
}
