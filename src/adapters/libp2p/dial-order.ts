/** Which addresses of a peer are worth a dial first: those that its machine is likely to be reached at from here. */
import { BlockList, isIPv6 } from 'node:net'
import type { NetworkInterfaceInfo } from 'node:os'
import type { Multiaddr } from '@multiformats/multiaddr'

export interface DialOrder {
  /** Public, named, or on a network that this machine is on. */
  readonly near: readonly Multiaddr[]
  /** Over a relay. */
  readonly circuits: readonly Multiaddr[]
  /** Private addresses of networks that this machine is not on: somebody routes them, or nobody. */
  readonly far: readonly Multiaddr[]
}

/** RFC 1918, RFC 6598, link-local, loopback and unique local addresses. */
const PRIVATE = new BlockList()
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
  ['127.0.0.0', 8],
] as const)
  PRIVATE.addSubnet(network, prefix, 'ipv4')
for (const [network, prefix] of [
  ['fc00::', 7],
  ['fe80::', 10],
  ['::1', 128],
] as const)
  PRIVATE.addSubnet(network, prefix, 'ipv6')

/** @param own as `networkInterfaces()` tells them */
export function dialOrder(addresses: readonly Multiaddr[], own: readonly NetworkInterfaceInfo[]): DialOrder {
  const networks = new BlockList()
  for (const { cidr, family } of own) {
    const [network, prefix] = cidr?.split('/') ?? []
    if (network !== undefined && prefix !== undefined)
      networks.addSubnet(network, Number(prefix), family === 'IPv6' ? 'ipv6' : 'ipv4')
  }
  const near: Multiaddr[] = []
  const circuits: Multiaddr[] = []
  const far: Multiaddr[] = []
  for (const address of addresses) {
    if (address.getComponents().some(({ name }) => name === 'p2p-circuit')) circuits.push(address)
    else if (isReachable(address, networks)) near.push(address)
    else far.push(address)
  }
  return { near, circuits, far }
}

function isReachable(address: Multiaddr, networks: BlockList): boolean {
  const [first] = address.getComponents()
  if (first === undefined || (first.name !== 'ip4' && first.name !== 'ip6')) return true
  const host = first.value ?? ''
  const family = isIPv6(host) ? 'ipv6' : 'ipv4'
  return !PRIVATE.check(host, family) || networks.check(host, family)
}
