/** The part of the internet that an address belongs to, so that one site cannot fill the registry. */

/** `/24` of IPv4, `/48` of IPv6. */
const IPV4_PREFIX_PARTS = 3
const IPV6_PREFIX_PARTS = 3
const IPV6_PARTS = 8

/** The blocks of a node's own public addresses, without repetition; relayed, private and named addresses have none. */
export function blocksOf(addresses: readonly string[]): readonly string[] {
  return [...new Set(addresses.map(blockOf).filter((block) => block !== undefined))]
}

/** @param address a multiaddr in text */
export function blockOf(address: string): string | undefined {
  if (address.includes('/p2p-circuit')) return undefined
  const [, family, host] = address.split('/')
  if (host === undefined) return undefined
  if (family === 'ip4') return ipv4Block(host)
  return family === 'ip6' ? ipv6Block(host) : undefined
}

function ipv4Block(host: string): string | undefined {
  const parts = /^\d{1,3}(\.\d{1,3}){3}$/.test(host) ? host.split('.').map(Number) : []
  if (parts.length === 0 || parts.some((part) => part > 255) || !isPublicIpv4(parts)) return undefined
  return `${parts.slice(0, IPV4_PREFIX_PARTS).join('.')}.0/24`
}

/** RFC 6890: not private, shared, loopback, link-local, multicast or reserved. */
function isPublicIpv4([a = 0, b = 0]: readonly number[]): boolean {
  if (a === 0 || a === 10 || a === 127 || a >= 224) return false
  if (a === 100) return b < 64 || b > 127
  if (a === 169) return b !== 254
  if (a === 172) return b < 16 || b > 31
  if (a === 192) return b !== 168
  if (a === 198) return b !== 18 && b !== 19
  return true
}

/** Only 2000::/3 is routed. */
function ipv6Block(host: string): string | undefined {
  const parts = ipv6Parts(host)
  const first = parts?.[0] ?? 0
  if (parts === undefined || first < 0x2000 || first > 0x3fff) return undefined
  return `${parts
    .slice(0, IPV6_PREFIX_PARTS)
    .map((part) => part.toString(16))
    .join(':')}::/48`
}

function ipv6Parts(host: string): readonly number[] | undefined {
  const halves = host.split('::')
  if (halves.length > 2) return undefined
  const [head = [], tail] = halves.map((half) => (half === '' ? [] : half.split(':')))
  const missing = IPV6_PARTS - head.length - (tail?.length ?? 0)
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined
  const texts = [...head, ...Array.from({ length: missing }, () => '0'), ...(tail ?? [])]
  if (texts.length !== IPV6_PARTS || !texts.every((text) => /^[0-9a-fA-F]{1,4}$/.test(text))) return undefined
  return texts.map((text) => Number.parseInt(text, 16))
}
