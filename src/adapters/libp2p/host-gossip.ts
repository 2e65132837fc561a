/** Gossipsub as this network uses it: unsigned, because records sign themselves; with narrow limits on what a peer can make us hold. */
import { createHash } from 'node:crypto'
import { type GossipSub, type GossipsubOpts, gossipsub, StrictNoSign } from '@libp2p/gossipsub'
import { createTopicScoreParams } from '@libp2p/gossipsub/score'
import { asNodeId } from '../../core/ids.ts'
import { limit } from '../../core/limits.ts'
import type { PeerGate } from './host-options.ts'

type GossipFactory = ReturnType<typeof gossipsub>

/**
 * Below the −50 at which gossipsub stops publishing to a peer; above the −80 of its greylist, for it would miss the subscriptions of a
 * peer that becomes a member later.
 */
const STRANGER_SCORE = -60

/** @param topics the only topics whose messages and subscriptions are taken from peers */
export function gossipOf(topics: readonly string[], gate: Pick<PeerGate, 'mayGossip'>): GossipFactory {
  return gossipsub(gossipOptions(topics, gate))
}

function gossipOptions(topics: readonly string[], gate: Pick<PeerGate, 'mayGossip'>): Partial<GossipsubOpts> {
  const ids = limit('gossipIds')
  return {
    globalSignaturePolicy: StrictNoSign,
    msgIdFn: (message) => createHash('sha256').update(message.data).digest(),
    emitSelf: false,
    fallbackToFloodsub: false,
    allowPublishToZeroTopicPeers: true,
    ignoreDuplicatePublishError: true,
    allowedTopics: new Set(topics),
    maxTopicBytesPerPeer: limit('gossipTopicBytes'),
    maxInboundDataLength: limit('gossipRpcBytes'),
    maxOutboundBufferSize: limit('gossipUnsentBytes'),
    decodeRpcLimits: {
      maxSubscriptions: limit('gossipSubscriptions'),
      maxMessages: limit('gossipMessagesAtOnce'),
      maxIhaveMessageIDs: ids,
      maxIwantMessageIDs: ids,
      maxIdontwantMessageIDs: ids,
      maxControlMessages: limit('gossipControls'),
      maxPeerInfos: 0,
    },
    runOnLimitedConnection: true,
    scoreParams: {
      // Machines of one site share an address: counting that against them lost up to 17 % of deliveries among 100.
      IPColocationFactorWeight: 0,
      appSpecificScore: (peer) => (gate.mayGossip(asNodeId(peer)) ? 0 : STRANGER_SCORE),
      appSpecificWeight: 1,
      topics: Object.fromEntries(topics.map((topic) => [topic, topicScore()])),
    },
  }
}

/**
 * Only what a peer does wrong counts: a quiet topic is no fault of those who have nothing to say on it.
 * Score = 1 × −10 × invalid², so that three invalid messages within seconds lead below the greylist at −80.
 */
function topicScore(): ReturnType<typeof createTopicScoreParams> {
  return createTopicScoreParams({
    topicWeight: 1,
    timeInMeshWeight: 0,
    firstMessageDeliveriesWeight: 0,
    meshMessageDeliveriesWeight: 0,
    meshFailurePenaltyWeight: 0,
    invalidMessageDeliveriesWeight: -10,
    invalidMessageDeliveriesDecay: 0.9,
  })
}

/** Takes messages of one more topic. libp2p has no way to say so after the start, but looks at this set for each message. */
export function allowGossipTopic(pubsub: GossipSub, topic: string): void {
  const allowed: unknown = Reflect.get(pubsub, 'allowedTopics')
  if (!(allowed instanceof Set)) throw new TypeError('this version of gossipsub keeps its topics elsewhere')
  allowed.add(topic)
  const options: unknown = Reflect.get(pubsub, 'opts')
  const scores: unknown = Reflect.get(Reflect.get(options as object, 'scoreParams') as object, 'topics')
  Object.assign(scores as object, { [topic]: topicScore() })
}
