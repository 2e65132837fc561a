/** What a node knows of its own place in the network, for `heddle netcheck`. */
import type { Connection, ServiceMap } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

export interface NetFacts {
  /**
   * As peers who tried have found: `public` where an address was dialled or is announced, `private` where this node knows
   * a public address of its own that nobody confirmed, `unknown` where it knows none.
   */
  readonly reachability: 'public' | 'private' | 'unknown'
  readonly listenAddresses: readonly string[]
  /** Told to others. */
  readonly announcedAddresses: readonly string[]
  /** Where peers say that this node's connections come from. */
  readonly observedAddresses: readonly string[]
  /** Opened at the router by UPnP. */
  readonly mappedAddresses: readonly string[]
  /** Relays that keep a place for this node. */
  readonly relays: readonly string[]
  /** Nodes that have a place at this one; undefined where it is no relay. */
  readonly relayedNodes: number | undefined
  readonly mdns: boolean
  /** Undefined where QUIC works, else why not. */
  readonly quicOff: string | undefined
  readonly connections: ConnectionCounts
}

export interface ConnectionCounts {
  readonly total: number
  readonly inbound: number
  readonly direct: number
  readonly circuit: number
  readonly tcp: number
  readonly websocket: number
  readonly quic: number
}

/** What libp2p knows of an address of this node. */
export interface KnownAddress {
  readonly multiaddr: Multiaddr
  readonly verified: boolean
  readonly type: 'transport' | 'announce' | 'observed' | 'dns-mapping' | 'ip-mapping'
}

/** A service whose only work is to keep hold of what libp2p shows to services and not to the node's owner. */
export interface AddressBook extends ServiceMap {
  known(): readonly KnownAddress[]
}

interface AddressComponents {
  readonly addressManager: { getAddressesWithMetadata(): readonly KnownAddress[] }
}

export function addressBook(): (components: AddressComponents) => AddressBook {
  return ({ addressManager }) => ({ known: () => addressManager.getAddressesWithMetadata() })
}

/** Relays in addresses such as `/ip4/192.0.2.7/tcp/11441/p2p/<relay>/p2p-circuit/p2p/<self>`. */
export function relaysOf(addresses: readonly string[]): readonly string[] {
  const relays = addresses.map((address) => /\/p2p\/([^/]+)\/p2p-circuit/.exec(address)?.[1])
  return [...new Set(relays.filter((relay) => relay !== undefined))]
}

export function reachabilityOf(
  known: readonly KnownAddress[],
  isPublic: (address: string) => boolean,
): NetFacts['reachability'] {
  const ours = known.filter(({ multiaddr }) => isPublic(multiaddr.toString()))
  if (ours.some(({ verified }) => verified)) return 'public'
  return ours.length > 0 ? 'private' : 'unknown'
}

export function countConnections(connections: readonly Connection[]): ConnectionCounts {
  const count = (is: (connection: Connection) => boolean): number => connections.filter(is).length
  const goesBy = (pattern: RegExp) => (connection: Connection) =>
    !isCircuit(connection) && pattern.test(connection.remoteAddr.toString())
  return {
    total: connections.length,
    inbound: count(({ direction }) => direction === 'inbound'),
    direct: count((connection) => !isCircuit(connection)),
    circuit: count(isCircuit),
    tcp: count(goesBy(/\/tcp\/\d+(\/p2p\/|$)/)),
    websocket: count(goesBy(/\/wss?(\/|$)/)),
    quic: count(goesBy(/\/quic-v1(\/|$)/)),
  }
}

function isCircuit({ remoteAddr }: Connection): boolean {
  return remoteAddr.toString().includes('/p2p-circuit')
}
