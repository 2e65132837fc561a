/** Addresses of a node and of its peers: what they say about where something is. */
import { isIP } from 'node:net'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Whether only this machine reaches `host`. */
export function isLoopbackHost(host: string): boolean {
  return host === '::1' || host.startsWith('127.')
}

/** The IP address inside a multiaddr, undefined where it names a host or a relayed peer. */
export function ipOf(address: Multiaddr): string | undefined {
  const parts = address.getComponents()
  if (parts.some(({ name }) => name === 'p2p-circuit')) return undefined
  const host = parts[0]?.value
  return host !== undefined && isIP(host) !== 0 ? host : undefined
}
