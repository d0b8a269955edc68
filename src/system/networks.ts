import { BlockList, isIP, isIPv6 } from 'node:net'

/** Is an address in one of these addresses and networks (CIDR)? An IPv4 address that came to an IPv6 socket is one of IPv4. */
export function createNetworks(entries: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', bits] = entry.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return (address) => {
    const plain = plainAddress(address)
    const version = isIP(plain)
    return entries.length > 0 && version !== 0 && list.check(plain, version === 6 ? 'ipv6' : 'ipv4')
  }
}

/** An IPv4 address as such, also where it came to a socket that speaks IPv6. */
export function plainAddress(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '')
}

/** Whoever has one IPv6 address has all of its /64. */
export function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [head = '', tail] = address.split('::')
  const parts = head.split(':').filter(Boolean)
  if (tail === undefined) return parts.slice(0, 4).join(':')
  const missing = 8 - parts.length - tail.split(':').filter(Boolean).length
  return [...parts, ...Array<string>(Math.max(0, missing)).fill('0'), ...tail.split(':').filter(Boolean)].slice(0, 4).join(':')
}
