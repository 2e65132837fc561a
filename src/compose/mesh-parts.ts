/** The mesh of a running node as its status and its admin API need it. */
import type { NodeId } from '../core/ids.ts'
import type { NodeRecord } from '../core/registry/node-record.ts'
import type { PromptTrust } from '../core/routing/prompt-trust.ts'
import type { MeshMode } from '../core/wire/admin-mesh.ts'
import type { Membership } from '../membership/membership.ts'
import type { Clock } from '../ports/clock.ts'
import type { Connector } from '../ports/connector.ts'
import type { Connections } from '../ports/gossip.ts'
import type { PeerStreams } from '../ports/peer-streams.ts'

/** How this node stands in the networks that it is plugged into; the libp2p host knows. */
export interface NetFacts {
  /** Multiaddrs on which it listens. */
  readonly listen: readonly string[]
  /** Multiaddrs that others are told. */
  readonly addresses: readonly string[]
  readonly reachability: 'public' | 'private' | 'unknown'
  /** What stands between this node and the internet, in words. */
  readonly nat: string
  readonly portMapping: 'mapped' | 'refused' | 'off' | 'unknown'
  readonly quic: { readonly isOn: boolean; readonly reason: string }
  /** Nodes at which it has a place. */
  readonly relays: readonly { readonly id: string; readonly address: string }[]
  readonly mdns: { readonly isOn: boolean; readonly found: number }
}

export interface MeshParts {
  readonly clock: Clock
  readonly mode: Exclude<MeshMode, 'standalone'>
  readonly network: { readonly id: string; readonly name: string }
  readonly membership: Pick<Membership, 'self' | 'registry' | 'liveness' | 'view'>
  readonly connections: Pick<Connections, 'peers' | 'connect'>
  readonly paths: PeerStreams['paths']
  /** The time in milliseconds that a frame takes to the peer and back; opens a session where there is none. */
  readonly ping: (peer: NodeId, options: { readonly signal: AbortSignal }) => Promise<number>
  readonly connector: Pick<Connector, 'send'>
  readonly netFacts: () => NetFacts
  readonly trustOf: (record: NodeRecord) => PromptTrust
  /** Why others refuse a record such as this node's own, for people. */
  readonly objectionTo: (record: NodeRecord) => string | undefined
}
