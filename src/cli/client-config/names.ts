import type { Site, SiteUpstream } from './site.ts'

type Named = Pick<SiteUpstream, 'id' | 'registry'>

/** An image's name that begins with the proxy, for what a client's settings cannot redirect. */
export function directName({ host }: Pick<Site, 'host'>, { id }: Named): string {
  return `${host}/${id}/NAMESPACE/NAME:TAG`
}

/** Can it stand behind our own host, as in `proxy/ghcr.io`? A port cannot. */
export function canBePrefix({ id }: Named): boolean {
  return !id.includes(':')
}

/** Why images of these are not found by their own names, a line for each of which that is so. */
export function withoutNames(site: Pick<Site, 'host'>, upstreams: readonly Named[]): string[] {
  return upstreams
    .filter(({ registry }) => registry === undefined)
    .map((upstream) => `Not "${upstream.id}", as no image's name begins so. Its images are ${directName(site, upstream)}`)
}

/** The same of names by which they would be found here. */
export function withPorts(upstreams: readonly Named[]): string[] {
  return upstreams
    .filter((upstream) => !canBePrefix(upstream))
    .map(({ id }) => `Not "${id}": a port cannot stand behind another host. Give this upstream a name without one.`)
}
