/** Which of a node's addresses are told to others. */

import type { Multiaddr } from '@multiformats/multiaddr'
import type { AddressFilter } from 'libp2p'

/** Whether only this machine reaches `host`. */
export function isLoopbackHost(host: string): boolean {
  return host === '::1' || host.startsWith('127.')
}

/** A node that listens on every interface tells such addresses only where it has no other: elsewhere they lead astray. */
export function announceFilterOf(host: string | undefined): AddressFilter {
  if (host !== undefined && isLoopbackHost(host)) return (addresses) => addresses
  return (addresses) => {
    const reachable = addresses.filter((address) => !isOfOneLink(address))
    return reachable.length > 0 ? reachable : addresses
  }
}

/** Whether an address means this machine (loopback), or another one on each cable (link-local, RFC 3927 and RFC 4291 §2.5.6). */
export function isOfOneLink(address: Multiaddr): boolean {
  const [first] = address.getComponents()
  const host = first?.value ?? ''
  if (first?.name === 'ip4') return isLoopbackHost(host) || host.startsWith('169.254.')
  return first?.name === 'ip6' && (isLoopbackHost(host) || /^fe[89ab]/i.test(host))
}
