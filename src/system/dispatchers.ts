import { readFileSync } from 'node:fs'
import type { OnReadOpts } from 'node:net'
import { getCACertificates } from 'node:tls'
import { Agent, type Dispatcher, Pool, ProxyAgent } from 'undici'
import { Fault } from '../model/fault.ts'
import type { Outbound } from './outbound.ts'
import { redactUrl } from './redact.ts'

export interface DialSettings {
  readonly connectTimeoutMs: number
  readonly headersTimeoutMs: number
  readonly idleTimeoutMs: number // between two pieces of a body; there is no limit on the whole
  readonly proxies: { readonly http?: URL; readonly https?: URL; readonly no: readonly string[] }
  readonly ca: readonly string[] // files with further certificate authorities, PEM
}

/** Finds the way to an origin: directly, or by the site's HTTP proxy. */
export interface Dispatchers {
  /** @throws Fault 'outbound-blocked' for a place behind the proxy that the settings do not name */
  for(url: URL): Dispatcher
  close(): Promise<void>
}

export function createDispatchers(settings: DialSettings, outbound: Outbound, onread: OnReadOpts): Dispatchers {
  const { connectTimeoutMs: timeout, proxies } = settings
  const ca =
    settings.ca.length === 0
      ? undefined
      : [...getCACertificates('default'), ...settings.ca.map((file) => readFileSync(file, 'utf8'))]
  const common = {
    headersTimeout: settings.headersTimeoutMs,
    bodyTimeout: settings.idleTimeoutMs,
    keepAliveTimeout: 30_000,
    allowH2: false, // one connection a body: an h2 framing error would end all of them at once
  }
  const direct = new Agent({
    ...common,
    factory: (origin, options) =>
      new Pool(origin, { ...options, connect: { timeout, ca, lookup: outbound.lookupFor(new URL(origin)), onread } }),
  })
  const viaProxy = new Map<string, ProxyAgent>()

  function proxied(proxy: URL): ProxyAgent {
    const known = viaProxy.get(proxy.href)
    if (known) return known
    const { username, password } = proxy
    const token = username
      ? `Basic ${Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')}`
      : undefined
    const agent = new ProxyAgent({
      ...common,
      uri: proxy.origin,
      ...(token ? { token } : {}),
      requestTls: { timeout, ca },
      proxyTls: { timeout, ca },
    })
    viaProxy.set(proxy.href, agent)
    return agent
  }

  return {
    for(url) {
      const proxy = url.protocol === 'https:' ? proxies.https : proxies.http
      if (!proxy || isExempt(url, proxies.no)) return direct
      // The proxy resolves the name, so its address cannot be checked here: only what an admin wrote down may be asked for.
      if (!outbound.isConfigured(url)) {
        throw new Fault('outbound-blocked', {
          url: redactUrl(url),
          why: 'behind an HTTP proxy only places named in the settings are dialled',
        })
      }
      return proxied(proxy)
    },
    async close() {
      await Promise.all([direct.destroy(), ...[...viaProxy.values()].map((agent) => agent.destroy())])
    },
  }
}

/** NO_PROXY as curl reads it: `*`, a host, a domain with or without a leading dot, each with an optional port. */
export function isExempt(url: URL, no: readonly string[]): boolean {
  const port = url.port || (url.protocol === 'https:' ? '443' : '80')
  return no.some((entry) => {
    const [, host = '', wantedPort] = /^(?:\*?\.)?(.*?)(?::(\d+))?$/.exec(entry.trim().toLowerCase()) ?? []
    if (entry.trim() === '*') return true
    if (host === '' || (wantedPort !== undefined && wantedPort !== port)) return false
    return url.hostname === host || url.hostname.endsWith(`.${host}`)
  })
}
