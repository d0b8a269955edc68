import type { Config, UpstreamSettings } from '../../config/config.ts'
import { publicUrlOf } from '../../config/public-url.ts'
import { Fault } from '../../model/fault.ts'
import { isDockerHub, looksLikeRegistry, normalizeRegistry } from '../../model/registry-name.ts'

/** What clients are told of this proxy. Nothing in it is secret. */
export interface Site {
  readonly url: string // ours, without a slash at its end
  /** Where registry clients ask, whatever the path of the URL; with its port where that must be said. */
  readonly host: string
  readonly isPlain: boolean // no TLS
  readonly country: string | undefined
  readonly upstreams: readonly SiteUpstream[]
}

export interface SiteUpstream {
  readonly id: string
  readonly kind: UpstreamSettings['kind']
  /** Meant where none is named. */
  readonly isDefault: boolean
  /** What image names of this registry begin with; undefined where that cannot be told from a part of a path. */
  readonly registry: string | undefined
  readonly isHub: boolean
}

/**
 * `upstream`: that one alone.
 *
 * @throws Fault 'upstream-unknown'; 'config-invalid' where the settings do not say how clients reach us
 */
export function siteOf(config: Config, upstream: string | undefined): Site {
  const own = publicUrlOf(config)
  if (own === undefined) throw new Fault('config-invalid', { file: config.file, mistakes: [whyNoUrl(config)] })
  const upstreams = [...config.upstreams.values()].filter(({ id }) => upstream === undefined || id === upstream)
  if (upstream !== undefined && upstreams.length === 0) throw new Fault('upstream-unknown', { name: upstream.slice(0, 100) })
  const url = new URL(own)
  return {
    url: url.href.replace(/\/+$/, ''),
    host: hostOf(url),
    isPlain: url.protocol === 'http:',
    country: config.site.country,
    upstreams: upstreams.map(({ id, kind, url }) => ({
      id,
      kind,
      isDefault: kind in config.defaults && config.defaults[kind as keyof Config['defaults']] === id,
      registry: kind === 'oci' && looksLikeRegistry(id) ? normalizeRegistry(id) : undefined,
      isHub: isDockerHub({ id, url }),
    })),
  }
}

/** In front of an image's name, a word without dot or port is not taken for a host. */
function hostOf({ host, hostname, port, protocol }: URL): string {
  return port !== '' || hostname.includes('.') ? host : `${host}:${protocol === 'http:' ? 80 : 443}`
}

function whyNoUrl({ listen: [first] }: Config): string {
  return first?.port === 0
    ? 'publicUrl: clients have to be told one, as the first listener takes any port'
    : 'publicUrl: clients have to be told one, as the first listener is for every address'
}

/** Is this URL one of this machine alone? */
export function isLoopback({ url }: Pick<Site, 'url'>): boolean {
  return /^(?:localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname)
}
