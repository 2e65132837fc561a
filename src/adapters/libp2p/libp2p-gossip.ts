/** Gossip over libp2p: messages by gossipsub, questions over streams of their own, and who is connected. */
import { type GossipSub, TopicValidatorResult } from '@libp2p/gossipsub'
import type { Libp2p } from '@libp2p/interface'
import { HeddleError } from '../../core/errors.ts'
import { asNodeId, type NodeId, unreachable } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type {
  Answerer,
  ConnectionChange,
  Connections,
  GossipMessage,
  PeerExchange,
  PubSub,
  Verdict,
} from '../../ports/gossip.ts'
import { Libp2pConnections } from './libp2p-connections.ts'
import { Libp2pPeerStreams } from './libp2p-peer-streams.ts'
import { Libp2pPeerExchange } from './peer-exchange.ts'

interface Waiting {
  readonly signal: AbortSignal
}

export interface GossipDeps {
  /** With gossipsub unsigned, the id of a message being the hash of its bytes. */
  readonly node: Libp2p<{ pubsub: GossipSub }>
}

const MAX_BYTES = limit('gossipMessageBytes')

export class Libp2pGossip implements PubSub, PeerExchange, Connections {
  readonly self: NodeId
  readonly #pubsub: GossipSub
  readonly #exchange: Libp2pPeerExchange
  readonly #connections: Libp2pConnections

  constructor({ node }: GossipDeps) {
    this.self = asNodeId(node.peerId.toString())
    this.#pubsub = node.services.pubsub
    this.#exchange = new Libp2pPeerExchange({ streams: new Libp2pPeerStreams({ node }) })
    this.#connections = new Libp2pConnections({ node })
  }

  async publish(topic: string, data: Uint8Array, { signal }: Waiting): Promise<void> {
    signal.throwIfAborted()
    if (data.length > MAX_BYTES)
      throw new HeddleError('payload_too_large', `a gossip message has ${data.length} bytes; ${MAX_BYTES} are allowed`)
    await this.#pubsub.publish(topic, data)
  }

  /** One subscriber for each topic. Its verdict is asked before a message is passed on, so it must come quickly. */
  subscribe(topic: string, judge: (message: GossipMessage) => Verdict): () => void {
    const { topicValidators } = this.#pubsub
    if (topicValidators.has(topic)) throw new HeddleError('internal', `${topic} has a subscriber already`)
    topicValidators.set(topic, (from, { data }) =>
      data.length > MAX_BYTES
        ? TopicValidatorResult.Reject
        : resultOf(judge({ from: asNodeId(from.toString()), data })),
    )
    this.#pubsub.subscribe(topic)
    return () => {
      this.#pubsub.unsubscribe(topic)
      topicValidators.delete(topic)
    }
  }

  ask(peer: NodeId, protocol: string, question: Uint8Array, options: Waiting): Promise<Uint8Array> {
    return this.#exchange.ask(peer, protocol, question, options)
  }

  answer(protocol: string, answerer: Answerer): () => void {
    return this.#exchange.answer(protocol, answerer)
  }

  peers(): readonly NodeId[] {
    return this.#connections.peers()
  }

  onChange(listener: (change: ConnectionChange) => void): () => void {
    return this.#connections.onChange(listener)
  }

  connect(address: string, options: Waiting): Promise<NodeId> {
    return this.#connections.connect(address, options)
  }
}

function resultOf(verdict: Verdict): TopicValidatorResult {
  switch (verdict) {
    case 'accept':
      return TopicValidatorResult.Accept
    case 'ignore':
      return TopicValidatorResult.Ignore
    case 'reject':
      return TopicValidatorResult.Reject
    default:
      return unreachable(verdict)
  }
}
