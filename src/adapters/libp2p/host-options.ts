/** What a libp2p node is told by whoever starts it: plain data, every default already resolved. */
import type { NodeId } from '../../core/ids.ts'
import type { Logger } from '../../ports/logger.ts'

/** `standalone`: meets nobody by itself; `local`: nodes on this machine; `node`: the LAN and whatever bootstraps lead to. */
export type HostMode = 'standalone' | 'local' | 'node'

/** Questions about peers that only those who know the networks can answer. Each is asked often, so it must be quick. */
export interface PeerGate {
  /** Whether there may be a connection to `peer` at all. */
  mayConnect(peer: NodeId): boolean
  /** Whether `peer` may be reached through this node, or reach others through it; it asks for that before much is known of it. */
  mayRelay(peer: NodeId): boolean | Promise<boolean>
  /** Whether `peer` hears gossip from this node; what it says itself is judged like all else. */
  mayGossip(peer: NodeId): boolean
  /** Whether `peer` is exempt from the bound on connections of one address block. */
  isTrusted(peer: NodeId): boolean
}

export interface HostOptions {
  /** The 32-byte Ed25519 seed of the device key; the node's id follows from it. */
  readonly seed: Uint8Array
  readonly mode: HostMode
  /**
   * An IP address and a port: TCP and QUIC listen on the port, WebSocket on the next one; with port 0 each takes a free one.
   * Undefined: nobody can dial this node.
   */
  readonly listen: { readonly host: string; readonly port: number } | undefined
  /** Multiaddrs under which everybody reaches this node (`--public-addr`); with one the node is public. */
  readonly publicAddresses: readonly string[]
  /** 32 bytes that every node of the network shares; undefined: anybody may connect. */
  readonly presharedKey: Uint8Array | undefined
  /** Whether nodes of the same LAN find each other by mDNS. */
  readonly mdns: boolean
  readonly quic: boolean
  /** Whether others may reach nodes behind NAT through this one. */
  readonly relayServer: boolean
  /** Gossip topics taken from peers; further ones are allowed later with `allowTopic`. */
  readonly topics: readonly string[]
  readonly maxConnections: number
  /** Memory that this process may use. */
  readonly memoryLimitBytes: number
  readonly gate: PeerGate
}

export interface HostDeps {
  readonly log: Logger
}

/** Lets everybody in: for networks that are open to all, and for tests. */
export const OPEN_GATE: PeerGate = {
  mayConnect: () => true,
  mayRelay: () => true,
  mayGossip: () => true,
  isTrusted: () => false,
}
