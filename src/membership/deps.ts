/** What membership needs of the rest of a node. */
import type { SignatureScheme, SigningKey } from '../core/identity/signed-value.ts'
import type { NetworkId, NodeId, UnixMs } from '../core/ids.ts'
import type { NodeDescription, NodeRecord } from '../core/registry/node-record.ts'
import type { PromptTrust } from '../core/routing/prompt-trust.ts'
import type { Clock } from '../ports/clock.ts'
import type { Connections, PeerExchange, PubSub } from '../ports/gossip.ts'
import type { IdSource } from '../ports/id-source.ts'
import type { Logger } from '../ports/logger.ts'
import type { SnapshotStore } from '../ports/snapshot-store.ts'

/** What this node says of itself. */
export interface LocalNode {
  /** With the loads of now. */
  describe(): NodeDescription
  /** Calls `listener` after something changed: only loads, or anything else. The result stops that. */
  onChange(listener: (what: 'load' | 'description') => void): () => void
}

export interface MembershipDeps {
  readonly clock: Clock
  readonly chance: Pick<IdSource, 'fraction'>
  readonly log: Logger
  readonly scheme: SignatureScheme
  /** The device key. */
  readonly key: SigningKey
  readonly network: NetworkId
  readonly local: LocalNode
  readonly gossip: PubSub & PeerExchange & Connections
  /** Where what is known is kept for the next start; undefined keeps nothing. */
  readonly store: SnapshotStore | undefined
  /** Why a node's certificate, a revocation or the network's policy speaks against it, for people. */
  readonly objectionTo: (record: NodeRecord, now: UnixMs) => string | undefined
  /** Whether nothing of the registry is told to peers that are not listed, as on a private network. */
  readonly membersOnly: boolean
  /** The narrowest scope of prompts that the node of an admitted record may read: `self` for devices of our own account. */
  readonly trustOf: (record: NodeRecord) => PromptTrust
  /** Asks a peer for a sign of life; rejects where there is none. */
  readonly probe: (peer: NodeId, options: { readonly signal: AbortSignal }) => Promise<void>
}

/** A delay of `ms` that is up to a fifth shorter or longer, so that nodes do not act in step. */
export function jittered(chance: Pick<IdSource, 'fraction'>, ms: number): number {
  const spread = 0.2
  return Math.round(ms * (1 - spread + 2 * spread * chance.fraction()))
}
