/** How nodes tell each other what they know: messages to everybody on a topic, questions to one peer, and who is connected. */
import type { NodeId } from '../core/ids.ts'

interface Waiting {
  readonly signal: AbortSignal
}

export interface GossipMessage {
  /** The connected peer that brought it, which is seldom its author. */
  readonly from: NodeId
  readonly data: Uint8Array
}

/** What becomes of a message: passed on; dropped; or dropped and held against the peer that brought it. */
export type Verdict = 'accept' | 'ignore' | 'reject'

/**
 * Every implementation promises (test/contracts/gossip.contract.ts checks it):
 * - a message that is published reaches the subscribers of its topic at other nodes at most once each, never the publisher's own,
 *   and only over nodes that accepted it;
 * - delivery is attempted, not certain; nothing is kept for those who come later;
 * - messages above `gossipMessageBytes` are refused by `publish` with `payload_too_large` and dropped on arrival.
 */
export interface PubSub {
  /** Resolves when the message is on its way; nobody listening is no failure. */
  publish(topic: string, data: Uint8Array, options: Waiting): Promise<void>
  /** The result ends the subscription. */
  subscribe(topic: string, judge: (message: GossipMessage) => Verdict): () => void
}

/**
 * Every implementation promises:
 * - `ask` rejects with `peer_unreachable` where the peer is not connected, does not speak the protocol, or its answer breaks off,
 *   and with the signal's reason when that aborts;
 * - questions and answers above `syncMessageBytes` are refused on both sides;
 * - an answerer that throws makes the question fail, not the connection; its signal aborts when the asker has left.
 */
export interface PeerExchange {
  ask(peer: NodeId, protocol: string, question: Uint8Array, options: Waiting): Promise<Uint8Array>
  /** The result stops answering. */
  answer(protocol: string, answerer: Answerer): () => void
}

export type Answerer = (from: NodeId, question: Uint8Array, options: Waiting) => Promise<Uint8Array>

export interface ConnectionChange {
  readonly peer: NodeId
  readonly isConnected: boolean
}

/**
 * Every implementation promises that a peer in `peers` proved to have the key behind its id,
 * and that listeners hear of every change after it happened.
 */
export interface Connections {
  /** Connected now. */
  peers(): readonly NodeId[]
  /** The result stops that. */
  onChange(listener: (change: ConnectionChange) => void): () => void
  /** Dials a multiaddr, or does nothing where its peer is connected; rejects with `peer_unreachable`. */
  connect(address: string, options: Waiting): Promise<NodeId>
}
