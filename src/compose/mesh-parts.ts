/** The mesh of a running node as its status and its admin API need it. */
import type { CredentialUpkeep } from '../accounts/credential-upkeep.ts'
import type { NetFacts } from '../adapters/libp2p/net-facts.ts'
import type { NodeId } from '../core/ids.ts'
import type { NodeRecord } from '../core/registry/node-record.ts'
import type { PromptTrust } from '../core/routing/prompt-trust.ts'
import type { MeshMode } from '../core/wire/admin-mesh.ts'
import type { Membership } from '../membership/membership.ts'
import type { Statements } from '../membership/statements.ts'
import type { PeerPing } from '../mesh/ping-peer.ts'
import type { Clock } from '../ports/clock.ts'
import type { Connector } from '../ports/connector.ts'
import type { Connections } from '../ports/gossip.ts'
import type { PeerStreams } from '../ports/peer-streams.ts'

export interface MeshParts {
  readonly clock: Clock
  readonly mode: Exclude<MeshMode, 'standalone'>
  readonly network: { readonly id: string; readonly name: string }
  readonly membership: Pick<Membership, 'self' | 'registry' | 'liveness' | 'view' | 'objectionToPeer'>
  readonly connections: Pick<Connections, 'peers' | 'connect'>
  readonly paths: PeerStreams['paths']
  /** A frame there and back; opens a session where there is none. */
  readonly ping: (peer: NodeId, options: { readonly signal: AbortSignal }) => Promise<Pick<PeerPing, 'path' | 'rttMs'>>
  readonly connector: Pick<Connector, 'send'>
  readonly netFacts: () => NetFacts
  readonly trustOf: (record: NodeRecord) => PromptTrust
  /** Tells the network what the account of this node has said of its devices. */
  readonly announce: Statements['announce']
  /** What this node shows others, and what is wrong with it. */
  readonly upkeep: Pick<CredentialUpkeep, 'problems'>
  /** Why others refuse a record such as this node's own, for people. */
  readonly objectionTo: (record: NodeRecord) => string | undefined
}
