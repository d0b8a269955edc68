import { isIP } from 'node:net'
import { libraryDoors } from './library-doors.ts'

/** First parts of paths behind which something is answered for others; whatever else is asked of us, we ask nobody for it. */
export const pathDoors = ['v2', 'blobs', 'metalink', 'files', 'api', 'shub', 'static', 'token', ...libraryDoors] as const
export type PathDoor = (typeof pathDoors)[number]

export interface OwnPlaceDeps {
  /** Of the settings; what is in front of us takes its path away. */
  readonly publicUrl: () => URL | undefined
  readonly publicHosts: () => readonly string[]
  /** Where we listen. */
  readonly listening: () => readonly string[]
  readonly localAddresses: () => readonly string[]
}

/** Would this question come back to us? Told by the names that we know to be ours, however they are written. */
export function createIsOwnPlace({ publicUrl, publicHosts, listening, localAddresses }: OwnPlaceDeps): (url: URL) => boolean {
  function isListening(url: URL, listener: string): boolean {
    const own = URL.parse(listener)
    if (!own || portOf(own) !== portOf(url)) return false
    if (own.hostname !== '0.0.0.0' && own.hostname !== '[::]') return hostOf(own) === hostOf(url)
    const host = hostOf(url)
    return (
      host === 'localhost' || (isIP(host) !== 0 && (/^127\.|^::1?$|^0\.0\.0\.0$/.test(host) || localAddresses().includes(host)))
    )
  }

  return (url) => {
    if (url.protocol !== 'http:' && url.protocol !== 'https:') return false
    const own = publicUrl()
    const below = own && isSamePlace(own, url) ? pathBelow(own, url) : undefined
    if (below !== undefined) return isDoor(below)
    const isOurs =
      publicHosts().some((host) => [`https://${host}`, `http://${host}`].some((one) => isSamePlace(new URL(one), url))) ||
      listening().some((listener) => isListening(url, listener))
    return isOurs && isDoor(url.pathname)
  }
}

/** Who answers https by the usual port answers http by the usual one, or sends clients from there to here. */
function isSamePlace(own: URL, url: URL): boolean {
  return hostOf(own) === hostOf(url) && (own.port === url.port || portOf(own) === portOf(url))
}

/** A name may be written with the dot that ends it. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/\.$/, '').replace(/^\[|\]$/g, '')
}

function portOf({ protocol, port }: URL): number {
  return Number(port || (protocol === 'https:' ? 443 : 80))
}

function pathBelow(own: URL, url: URL): string | undefined {
  const base = partsOf(own)
  const parts = partsOf(url)
  return base.every((part, at) => part === parts[at]) ? parts.slice(base.length).join('/') : undefined
}

function isDoor(path: string): boolean {
  const [first = ''] = path.split('/').filter(Boolean)
  return (pathDoors as readonly string[]).includes(plain(first))
}

function partsOf({ pathname }: URL): readonly string[] {
  return pathname.split('/').filter(Boolean).map(plain)
}

function plain(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
