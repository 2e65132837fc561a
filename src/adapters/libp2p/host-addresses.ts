/** Which of a node's addresses are told to others. */

import type { Multiaddr } from '@multiformats/multiaddr'
import type { AddressFilter } from 'libp2p'

/** Whether only this machine reaches `host`. */
export function isLoopbackHost(host: string): boolean {
  return host === '::1' || host.startsWith('127.')
}

/** A node that listens on every interface tells its loopback addresses only where it has no other: elsewhere they lead astray. */
export function announceFilterOf(host: string | undefined): AddressFilter {
  if (host !== undefined && isLoopbackHost(host)) return (addresses) => addresses
  return (addresses) => {
    const reachable = addresses.filter((address) => !isLoopbackAddress(address))
    return reachable.length > 0 ? reachable : addresses
  }
}

export function isLoopbackAddress(address: Multiaddr): boolean {
  const [first] = address.getComponents()
  return (first?.name === 'ip4' || first?.name === 'ip6') && isLoopbackHost(first.value ?? '')
}
