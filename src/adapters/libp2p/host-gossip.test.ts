/** Gossip from a hostile peer, written by hand: what it may make a node hold or do. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { TopicValidatorResult } from '@libp2p/gossipsub'
import type { Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { heldBytes } from '../../../test/support/heap.ts'
import { addressOf, startTestHost } from '../../../test/support/libp2p-hosts.ts'
import { waitUntil } from '../../../test/support/wait-until.ts'
import { limit } from '../../core/limits.ts'
import type { Libp2pHost } from './host.ts'

const MESHSUB = '/meshsub/1.2.0'
const TOPIC = '/heddle/test/1'
const MEBIBYTE = 1024 * 1024

/** A field of a protobuf message that holds bytes: https://protobuf.dev/programming-guides/encoding/ */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of((number << 3) | 2), varint(bytes.byteLength), bytes])
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.of(...bytes, rest)
    bytes.push((rest % 128) | 128)
  }
}

/** One exchange of gossip: https://github.com/libp2p/specs/blob/master/pubsub/gossipsub/README.md */
function rpc(...fields: readonly Uint8Array[]): Uint8Array {
  const body = Buffer.concat(fields)
  return Buffer.concat([varint(body.byteLength), body])
}

const subscription = (topic: string): Uint8Array =>
  field(1, Buffer.concat([Uint8Array.of(0x08, 1), field(2, Buffer.from(topic))]))
const message = (topic: string, data: Uint8Array): Uint8Array =>
  field(2, Buffer.concat([field(2, data), field(4, Buffer.from(topic))]))

/** A peer that speaks gossip only as its test says. */
async function attack(
  host: Libp2pHost,
): Promise<AsyncDisposable & { readonly peer: Libp2pHost; send(bytes: Uint8Array): Promise<void> }> {
  const peer = await startTestHost({ listen: undefined })
  const connection = await peer.node.dial(multiaddr(addressOf(host)))
  const stream: Stream = await connection.newStream(MESHSUB, { maxOutboundStreams: 10 })
  stream.addEventListener('close', () => undefined)
  return {
    peer,
    send: async (bytes) => {
      if (!stream.send(bytes)) await new Promise((drained) => stream.addEventListener('drain', drained, { once: true }))
    },
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  }
}

describe('the gossip of a node', () => {
  it('keeps no subscription to topics that it does not know, however many there are', async () => {
    await using host = await startTestHost({ topics: [TOPIC] })
    await using attacker = await attack(host)
    const before = heldBytes()
    const perExchange = limit('gossipSubscriptions')
    for (let count = 0; count < 1_000_000; count += perExchange) {
      await attacker.send(rpc(...Array.from({ length: perExchange }, (_, at) => subscription(`/attack/${count + at}`))))
      if (count % (perExchange * 64) === 0) await turn()
    }
    const { pubsub } = host.node.services
    await attacker.send(rpc(subscription(TOPIC)))
    await waitUntil(() => pubsub.getSubscribers(TOPIC).length === 1, 'the one that it knows')
    assert.equal(pubsub.getSubscribers('/attack/7').length, 0)
    const grownBytes = heldBytes() - before
    assert.ok(grownBytes < 16 * MEBIBYTE, `${grownBytes} bytes`)
  })

  it('drops an exchange with more subscriptions than there may be', async () => {
    await using host = await startTestHost({ topics: [TOPIC] })
    await using attacker = await attack(host)
    const many = Array.from({ length: limit('gossipSubscriptions') + 1 }, () => subscription(TOPIC))
    await attacker.send(rpc(...many))
    await attacker.send(rpc(message(TOPIC, Uint8Array.of(1))))
    const heard = Promise.withResolvers<void>()
    host.node.services.pubsub.topicValidators.set(TOPIC, () => {
      heard.resolve()
      return TopicValidatorResult.Accept
    })
    await attacker.send(rpc(message(TOPIC, Uint8Array.of(2))))
    await heard.promise
    assert.equal(host.node.services.pubsub.getSubscribers(TOPIC).length, 0)
  })

  it('stops hearing a peer after a few messages that were rejected', async () => {
    await using host = await startTestHost({ topics: [TOPIC] })
    await using attacker = await attack(host)
    const { pubsub } = host.node.services
    let judged = 0
    pubsub.topicValidators.set(TOPIC, () => {
      judged += 1
      return TopicValidatorResult.Reject
    })
    pubsub.subscribe(TOPIC)
    const flood = async (name: string): Promise<void> => {
      for (let count = 0; count < 1_000; count += 1) {
        await attacker.send(rpc(message(TOPIC, Buffer.from(`${name} ${count}`))))
        if (count % 50 === 0) await turn()
      }
    }
    await flood('first')
    // Scores are worked out once a heartbeat.
    const { getScore } = pubsub as unknown as { getScore(peer: string): number }
    const tookMs = await waitUntil(() => getScore.call(pubsub, attacker.peer.id) < -80, 'the score to fall')
    assert.ok(tookMs < 3_000, `${tookMs} ms`)
    const judgedUntilThen = judged
    await flood('second')
    await attacker.peer.node.services.ping.ping(peerIdFromString(host.id))
    assert.ok(judgedUntilThen > 0)
    // A peer that did well until just now is let through 128 times before its score is looked at again.
    assert.ok(judged - judgedUntilThen <= 128, `${judged - judgedUntilThen} judged after it fell`)
  })

  it('hears nothing on a topic that it does not know, until it is told to', async () => {
    await using host = await startTestHost()
    await using friend = await startTestHost({ topics: [TOPIC] })
    const { pubsub } = host.node.services
    let heard = 0
    pubsub.addEventListener('message', () => {
      heard += 1
    })
    pubsub.subscribe(TOPIC)
    friend.node.services.pubsub.subscribe(TOPIC)
    await friend.node.dial(multiaddr(addressOf(host)))
    await waitUntil(() => friend.node.services.pubsub.getSubscribers(TOPIC).length === 1, 'the subscription')
    await friend.node.services.pubsub.publish(TOPIC, Uint8Array.of(1))
    await friend.node.services.ping.ping(peerIdFromString(host.id))
    assert.equal(heard, 0)
    host.allowTopic(TOPIC)
    await friend.node.services.pubsub.publish(TOPIC, Uint8Array.of(2))
    await waitUntil(() => heard === 1, 'the message')
  })
})
