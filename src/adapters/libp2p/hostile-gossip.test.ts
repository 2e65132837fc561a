/** Peers that misuse gossip: what they send costs little, soon nobody listens to them, and what others say still arrives. */
import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { type AttackerNode, startAttackerNode } from '../../../test/support/attacker-node.ts'
import { heldBytes } from '../../../test/support/heap.ts'
import { addressOf, startTestHost } from '../../../test/support/libp2p-hosts.ts'
import { GOSSIP_PROTOCOL, messageRpc, subscribeRpc } from '../../../test/support/raw-gossip.ts'
import { waitUntil } from '../../../test/support/wait-until.ts'
import { limit } from '../../core/limits.ts'
import type { Libp2pHost } from './host.ts'
import { Libp2pGossip } from './libp2p-gossip.ts'

const TOPIC = '/heddle/test/1'
const MEBIBYTE = 1024 * 1024
const HONEST = 1
const INVALID = 2
/** Messages that a flooding peer sends in one turn, and the pause after them: 5,000 a second on a machine that keeps up. */
const BURST = 50
const BURST_PAUSE_MS = 10

describe('a peer that misuses gossip', () => {
  let victim: Libp2pHost
  let friend: Libp2pHost
  let attacker: AttackerNode
  let friendSays: Libp2pGossip
  let stream: Stream
  let honest: number[] = []
  let invalid = 0
  let sent = 0

  beforeEach(async () => {
    victim = await startTestHost({ topics: [TOPIC] })
    friend = await startTestHost({ topics: [TOPIC] })
    friendSays = new Libp2pGossip(friend)
    honest = []
    invalid = 0
    new Libp2pGossip(victim).subscribe(TOPIC, ({ data }) => {
      if (data[0] !== HONEST) {
        invalid += 1
        return 'reject'
      }
      honest.push(data[1] ?? -1)
      return 'accept'
    })
    friendSays.subscribe(TOPIC, () => 'accept')
    await friend.node.dial(multiaddr(addressOf(victim)))
    await waitUntil(() => friend.node.services.pubsub.getSubscribers(TOPIC).length === 1, 'the subscription')
    attacker = await startAttackerNode()
    const connection = await attacker.node.dial(multiaddr(addressOf(victim)))
    // It speaks gossip itself, so that it is one of the victim's peers.
    await attacker.node.handle(GOSSIP_PROTOCOL, () => undefined)
    stream = await connection.newStream(GOSSIP_PROTOCOL)
    stream.send(subscribeRpc([TOPIC]))
    await waitUntil(() => victim.node.services.pubsub.getSubscribers(TOPIC).length === 2, 'the attacker to be known')
  })

  afterEach(async () => {
    await attacker[Symbol.asyncDispose]()
    await friend[Symbol.asyncDispose]()
    await victim[Symbol.asyncDispose]()
  })

  function different(bytes: number, kind: number): Uint8Array {
    const data = Buffer.alloc(bytes)
    data[0] = kind
    sent += 1
    data.writeUInt32BE(sent, 2)
    return data
  }

  async function flood(until: () => boolean, message: () => Uint8Array, mostMs: number): Promise<void> {
    const endsAt = performance.now() + mostMs
    while (!until() && performance.now() < endsAt && stream.status === 'open') {
      for (let count = 0; count < BURST; count += 1) stream.send(message())
      await sleep(BURST_PAUSE_MS)
    }
  }

  /** How long a message of the honest peer takes. */
  async function friendIsHeard(number: number): Promise<number> {
    const t = AbortSignal.timeout(5_000)
    await friendSays.publish(TOPIC, Uint8Array.of(HONEST, number), { signal: t })
    return waitUntil(() => honest.includes(number), `message ${number} of the honest peer`, 5_000)
  }

  it('with a flood of invalid messages is heard no more within seconds, and others are heard all the while', async () => {
    const before = heldBytes()
    let judged = -1
    let isOver = false
    const flooding = flood(
      () => isOver,
      () => messageRpc(TOPIC, different(300, INVALID)),
      12_000,
    )
    const startedAt = performance.now()
    for (let number = 1; judged !== invalid || invalid === 0; number += 1) {
      judged = invalid
      await friendIsHeard(number)
      await sleep(700)
      assert.ok(performance.now() - startedAt < 10_000, `the attacker is still listened to: ${invalid} of ${sent}`)
    }
    isOver = true
    await flooding
    assert.ok(heldBytes() - before < 16 * MEBIBYTE)
    const after = invalid
    stream.send(messageRpc(TOPIC, different(300, INVALID)))
    await friendIsHeard(200)
    assert.equal(invalid, after)
  })

  it('with messages that are too long has none of them judged', async () => {
    for (let count = 0; count < 20; count += 1)
      stream.send(messageRpc(TOPIC, different(limit('gossipMessageBytes') + 1, INVALID)))
    await friendIsHeard(1)
    assert.equal(invalid, 0)
  })

  it('with messages of topics that nobody asked for has none of them kept', async () => {
    const before = heldBytes()
    await flood(
      () => false,
      () => messageRpc(`/heddle/other/${sent}`, different(4_000, INVALID)),
      2_000,
    )
    await friendIsHeard(1)
    assert.equal(invalid, 0)
    assert.ok(heldBytes() - before < 16 * MEBIBYTE)
  })

  it('with a million subscriptions makes the node remember none of them', async () => {
    const before = heldBytes()
    const atOnce = limit('gossipSubscriptions')
    for (let count = 0; count < 1_000_000 && stream.status === 'open'; count += 100 * atOnce) {
      for (let turn = 0; turn < 100; turn += 1)
        stream.send(
          subscribeRpc(Array.from({ length: atOnce }, (_, index) => `/heddle/test/${count + turn * atOnce + index}`)),
        )
      await sleep(1)
    }
    await friendIsHeard(1)
    await waitUntil(() => stream.writeBufferLength === 0, 'everything to be sent')
    assert.deepEqual(victim.node.services.pubsub.getTopics(), [TOPIC])
    assert.ok(heldBytes() - before < 16 * MEBIBYTE)
  })
})
