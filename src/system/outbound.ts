import { type LookupAddress, lookup as systemLookup } from 'node:dns'
import { BlockList, isIP, type LookupFunction } from 'node:net'
import { Fault } from '../model/fault.ts'
import { redactUrl } from './redact.ts'

/** Decides what may be dialled: public addresses, what the settings name, and nothing else. */
export interface Outbound {
  /** Before a connection: the scheme, ourselves, and literal addresses, which no lookup is made for. @throws Fault 'outbound-blocked' */
  check(url: URL): void
  /** What `check` throws, if it does. */
  refusalOf(url: URL): Fault<'outbound-blocked'> | undefined
  /** Is this very origin named in the settings, so that it may be anywhere, also behind a proxy? */
  isConfigured(url: URL): boolean
  /** Resolves a name for one origin and refuses what it resolves to; covers names that change their address. */
  lookupFor(origin: URL): LookupFunction
}

export interface OutboundSettings {
  readonly origins: readonly URL[] // of upstreams: allowed by being configured
  readonly allow: readonly string[] // host:port or CIDR
  /** Would a question there come back to this very server? */
  readonly isOwn?: (url: URL) => boolean
}

// Not for the public network. @see IANA special-purpose address registries (RFC 6890)
const privateSubnets: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 96, 'ipv6'],
  ['64:ff9b:1::', 48, 'ipv6'],
  ['fc00::', 7, 'ipv6'],
  ['fe80::', 10, 'ipv6'],
  ['fec0::', 10, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
]

export function createOutbound({ origins, allow, isOwn = () => false }: OutboundSettings): Outbound {
  const blocked = new BlockList()
  for (const [address, prefix, family] of privateSubnets) blocked.addSubnet(address, prefix, family)
  const allowed = new BlockList()
  const places = new Set(origins.map(placeOf))
  for (const entry of allow) {
    const cidr = /^([0-9a-f.:]+)\/(\d+)$/i.exec(entry)
    if (cidr) allowed.addSubnet(cidr[1]!, Number(cidr[2]), cidr[1]!.includes(':') ? 'ipv6' : 'ipv4')
    else places.add(entry.toLowerCase())
  }

  function isRefused(address: string): boolean {
    const plain = embeddedIpv4(address) ?? address
    const family = isIP(plain) === 6 ? 'ipv6' : 'ipv4'
    return blocked.check(plain, family) && !allowed.check(plain, family)
  }

  const refusal = (url: URL, address: string) =>
    new Fault('outbound-blocked', {
      url: redactUrl(url),
      why: `${address} is a private address; name ${placeOf(url)} in outbound.allow if it is meant`,
    })

  function refusalOf(url: URL): Fault<'outbound-blocked'> | undefined {
    if (url.protocol !== 'https:' && url.protocol !== 'http:')
      return new Fault('outbound-blocked', { url: redactUrl(url), why: `"${url.protocol}" is neither http nor https` })
    if (isOwn(url)) return new Fault('outbound-blocked', { url: redactUrl(url), why: 'it is this server itself' })
    const host = bare(url.hostname)
    return isIP(host) !== 0 && !places.has(placeOf(url)) && isRefused(host) ? refusal(url, host) : undefined
  }

  return {
    isConfigured: (url) => places.has(placeOf(url)),
    refusalOf,
    check(url) {
      const refused = refusalOf(url)
      if (refused) throw refused
    },
    lookupFor(origin) {
      const isFree = places.has(placeOf(origin))
      return (hostname, options, callback) => {
        systemLookup(hostname, { ...options, all: true }, (error, addresses) => {
          if (error) return callback(error, '', 0)
          const refused = isFree ? undefined : addresses.find(({ address }) => isRefused(address))
          if (refused) return callback(refusal(origin, refused.address), '', 0)
          if (options.all) return (callback as unknown as (error: null, all: LookupAddress[]) => void)(null, addresses)
          callback(null, addresses[0]!.address, addresses[0]!.family)
        })
      }
    },
  }
}

/** `host:port`, lower case, the scheme's port where none is written. */
function placeOf(url: URL): string {
  return `${url.hostname.toLowerCase()}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`
}

function bare(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}

/** The IPv4 address inside an IPv4-mapped, IPv4-translated, NAT64 or 6to4 IPv6 address: what would really be reached. */
function embeddedIpv4(address: string): string | undefined {
  if (!address.includes(':')) return undefined
  const groups = expand(address)
  const [high, low] = isMapped(groups) || isNat64(groups) ? groups.slice(6) : groups[0] === 0x2002 ? groups.slice(1, 3) : []
  return high === undefined || low === undefined ? undefined : [high >> 8, high & 255, low >> 8, low & 255].join('.')
}

/** `::ffff:a.b.c.d`, and `::ffff:0:a.b.c.d` as translators have it. @see RFC 4291 §2.5.5.2, RFC 2765 §2.1 */
function isMapped(groups: readonly number[]): boolean {
  const [fifth, sixth] = groups.slice(4)
  const isMarked = (fifth === 0 && sixth === 0xffff) || (fifth === 0xffff && sixth === 0)
  return isMarked && groups.slice(0, 4).every((group) => group === 0)
}

function isNat64(groups: readonly number[]): boolean {
  return groups[0] === 0x64 && groups[1] === 0xff9b && groups.slice(2, 6).every((group) => group === 0)
}

/** The eight groups of an IPv6 address that `isIP` accepted. */
function expand(address: string): readonly number[] {
  const text = address
    .replace(/%.*$/, '')
    .replace(
      /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
      (_, a, b, c, d) => `${((+a << 8) | +b).toString(16)}:${((+c << 8) | +d).toString(16)}`,
    )
  const [left = '', right] = text.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16)))
  const [head, tail] = [groups(left), groups(right ?? '')]
  return right === undefined ? head : [...head, ...Array(8 - head.length - tail.length).fill(0), ...tail]
}
