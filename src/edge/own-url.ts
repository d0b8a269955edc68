import { Fault } from '../model/fault.ts'
import { normalizeRegistry } from '../model/registry-name.ts'

/** How a client reaches us, for URLs that are given out: the public URL, or the name it used if the settings know it. */
export type OwnUrl = (host: string | undefined) => string | undefined

/** `publicUrl` without a slash at its end; undefined where the settings do not say and nothing can be guessed. */
export function createOwnUrl(publicUrl: () => string | undefined, publicHosts: readonly string[]): OwnUrl {
  const known = new Set(publicHosts.map(normalizeRegistry))
  return (host) => {
    const own = publicUrl()
    if (host === undefined || known.size === 0 || !known.has(normalizeRegistry(host))) return own
    return `${own?.slice(0, own.indexOf(':')) ?? 'http'}://${host.toLowerCase()}`
  }
}

/** For documents that have to name us. @throws Fault 'not-found' */
export function demandOwn(own: string | undefined): string {
  if (own === undefined) throw new Fault('not-found', { what: 'a URL of ours for what it names: publicUrl in the settings' })
  return own
}
