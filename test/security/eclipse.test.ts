/** T13: many false nodes of one site surround a fresh one. It still finds everybody, and they get little room. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { MemoryGossipNetwork } from '../../src/adapters/memory/memory-gossip.ts'
import type { NodeId } from '../../src/core/ids.ts'
import { limit } from '../../src/core/limits.ts'
import { encodeBatch, registryTopic } from '../../src/core/registry/gossip-batch.ts'
import { SYNC_PROTOCOL } from '../../src/core/registry/sync-messages.ts'
import { SyncAnswers } from '../../src/membership/sync-answers.ts'
import { SimulatedNode } from '../simulation/simulated-node.ts'
import { nth, scheme, TEST_NETWORK, TestDevice, testRegistry } from '../support/registry-peer.ts'
import { seededChance } from '../support/seeded-chance.ts'

const SECOND = 1_000
const TOPIC = registryTopic(TEST_NETWORK)
const HONEST = Array.from({ length: 10 }, (_, index) => new TestDevice(3_000 + index))
const SYBILS = Array.from({ length: 200 }, (_, index) => new TestDevice(4_000 + index))
const VICTIM = new TestDevice(2_999)
const signal = new AbortController().signal

/** They answer comparisons with each other only, publish themselves and pass on nothing else. */
function startSybils(clock: MemoryClock, network: MemoryGossipNetwork): void {
  const registry = testRegistry({ quotas: { records: 1_000, perBlock: 1_000, withoutBlock: 1_000 } })
  const ignore = {
    membersOnly: false,
    onOutcome: () => undefined,
    onHello: () => undefined,
    objectionToPeer: () => undefined,
  }
  for (const [index, device] of SYBILS.entries()) {
    const addresses = [`/memory/${device.peer}`, `/ip4/203.0.113.${index}/tcp/11441`]
    const { bytes } = device.record(1, { addresses, signedAt: clock.now(), leaseMs: 10 * 60_000 })
    registry.receiveRecord(bytes, { now: clock.now(), at: clock.monotonic(), source: 'author', idleMs: 0 })
    const gossip = network.open(device.peer)
    const answers = new SyncAnswers({ clock, network: TEST_NETWORK, registry, ...ignore })
    gossip.answer(SYNC_PROTOCOL, (from, question, options) => answers.answer(from, question, options))
    gossip.subscribe(TOPIC, () => 'ignore')
    const again = (): void => {
      void gossip.connect(`/memory/${VICTIM.peer}`, { signal }).catch(() => undefined)
      void gossip.publish(TOPIC, encodeBatch({ records: [bytes], beats: [], proofs: [] }), { signal })
      clock.after(2 * SECOND, again)
    }
    again()
  }
}

function honestNode(
  deps: ConstructorParameters<typeof SimulatedNode>[0],
  device: TestDevice,
  index: number,
): SimulatedNode {
  const node = new SimulatedNode(deps, device)
  node.change({ addresses: [`/memory/${device.peer}`, `/ip4/198.51.${index}.1/tcp/11441`] })
  return node
}

describe('T13: 200 false nodes of one /24 that all connect to a fresh node', () => {
  it('keep no honest node from its table, and have no more places in it than one site may', async () => {
    const clock = new MemoryClock()
    const chance = seededChance(13)
    const network = new MemoryGossipNetwork({ clock, chance })
    const bootstrap = HONEST.slice(0, 4).map(({ peer }) => peer)
    const deps = { clock, network, chance, scheme, bootstrap }
    const nodes = HONEST.map((device, index) => honestNode(deps, device, index))
    for (const node of nodes) await node.start()
    await clock.advance(20 * SECOND)
    startSybils(clock, network)
    await clock.advance(SECOND)
    const victim = honestNode(deps, VICTIM, 200)
    await victim.start()
    await clock.advance(60 * SECOND)

    const { table } = victim.membership.registry
    for (const { peer } of HONEST) assert.equal(table.get(peer)?.status, 'live', `${peer} is not listed`)
    const listed = SYBILS.filter(({ peer }) => table.get(peer) !== undefined).length
    assert.ok(listed > 0 && listed <= limit('recordsPerBlock'), `${listed} false nodes are listed`)
    const peers = new Set<NodeId>(network.node(VICTIM.peer)?.peers())
    assert.ok(SYBILS.every(({ peer }) => peers.has(peer)))
    const honest = HONEST.filter(({ peer }) => peers.has(peer)).length
    assert.ok(honest >= limit('wantedPeers') / 2, `it is connected to ${honest} honest nodes`)
    assert.equal(victim.membership.view().state, 'joined')

    // It hears the others in time, and they hear it: by comparing, as its gossip goes to eight neighbours of 210.
    nth(nodes, 9).changeModel('after-the-attack')
    victim.changeModel('of-the-victim')
    await clock.advance(5 * SECOND)
    assert.equal(victim.membership.directory.candidatesFor('after-the-attack').length, 1)
    await clock.advance(25 * SECOND)
    assert.equal(nth(nodes, 8).membership.directory.candidatesFor('of-the-victim').length, 1)
  })
})
