/** T14: records that say what is not so, from whoever. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { type MemoryGossip, MemoryGossipNetwork } from '../../src/adapters/memory/memory-gossip.ts'
import { peerIdOf } from '../../src/core/identity/peer-id.ts'
import { encodeSigned, signValue } from '../../src/core/identity/signed-value.ts'
import { asUnixMs, type NodeId } from '../../src/core/ids.ts'
import { limit } from '../../src/core/limits.ts'
import { encodeBatch, parseBatch, registryTopic } from '../../src/core/registry/gossip-batch.ts'
import { parseLoadBeat } from '../../src/core/registry/load-beat.ts'
import { itemOf } from '../../src/core/registry/reconcile.ts'
import { encodeQuestion, SYNC_PROTOCOL, type SyncItem } from '../../src/core/registry/sync-messages.ts'
import { SimulatedNode } from '../simulation/simulated-node.ts'
import { arrival, nth, scheme, TEST_NETWORK, TestDevice, testRegistry } from '../support/registry-peer.ts'
import { seededChance } from '../support/seeded-chance.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const TOPIC = registryTopic(TEST_NETWORK)
const DEVICES = [0, 1, 2].map((number) => new TestDevice(5_000 + number))
const signal = new AbortController().signal

interface Scope {
  readonly clock: MemoryClock
  readonly network: MemoryGossipNetwork
  readonly nodes: readonly SimulatedNode[]
  readonly attacker: TestDevice
  readonly gossip: MemoryGossip
  /** Everything that the attacker heard. */
  readonly heard: Uint8Array[]
  readonly make: (device: TestDevice) => SimulatedNode
}

/** Nodes that know each other, and an attacker who is connected to the first. */
async function scope(count: number): Promise<Scope> {
  const clock = new MemoryClock()
  const chance = seededChance(14)
  const network = new MemoryGossipNetwork({ clock, chance })
  const deps = { clock, network, chance, scheme, bootstrap: [nth(DEVICES, 0).peer] }
  const make = (device: TestDevice): SimulatedNode => new SimulatedNode(deps, device)
  const nodes = DEVICES.slice(0, count).map(make)
  for (const node of nodes) await node.start()
  await clock.advance(15 * SECOND)
  const attacker = new TestDevice(5_900)
  const gossip = network.open(attacker.peer)
  const heard: Uint8Array[] = []
  gossip.subscribe(TOPIC, ({ data }) => {
    heard.push(data)
    return 'accept'
  })
  await Promise.all([gossip.connect(`/memory/${nth(nodes, 0).peer}`, { signal }), clock.advance(SECOND)])
  return { clock, network, nodes, attacker, gossip, heard, make }
}

async function gossiped({ clock, gossip }: Scope, records: readonly Uint8Array[]): Promise<void> {
  await gossip.publish(TOPIC, encodeBatch({ records, beats: [], proofs: [] }), { signal })
  await clock.advance(SECOND)
}

/** Hands items to `victim` as if the attacker held them; whether it took the question. */
async function pushed({ clock, gossip }: Scope, victim: SimulatedNode, items: readonly SyncItem[]): Promise<boolean> {
  let isTaken = false
  const asking = gossip.ask(victim.peer, SYNC_PROTOCOL, encodeQuestion({ kind: 'push', items }), { signal }).then(
    () => {
      isTaken = true
    },
    () => undefined,
  )
  await Promise.all([asking, clock.advance(SECOND)])
  return isTaken
}

const item = (record: Uint8Array, idleMs = 0): SyncItem => ({ kind: 'record', record, beat: undefined, idleMs })

describe('T14: a record', () => {
  it('for somebody else’s id is rejected: the key in it is not the one that signed', async () => {
    const made = await scope(2)
    const [victim, other] = [nth(made.nodes, 0), nth(made.nodes, 1)]
    const before = victim.membership.view().gossip.rejected
    const theirs = other.device.record(99, { incarnation: 2 ** 50, signedAt: made.clock.now(), name: 'forged' })
    const stolen = encodeSigned(signValue('node-record', payloadOf(theirs.bytes), [made.attacker.key]))
    await gossiped(made, [stolen])
    assert.equal(victim.membership.view().gossip.rejected, before + 1)
    assert.equal(await pushed(made, victim, [item(stolen)]), false)
    assert.notEqual(victim.membership.registry.table.get(other.peer)?.record.name, 'forged')
  })

  it('with a lower number changes nothing', async () => {
    const made = await scope(2)
    const [victim, other] = [nth(made.nodes, 0), nth(made.nodes, 1)]
    const { record, signed } = entryOf(victim, other)
    const older = other.device.record(record.seq, {
      incarnation: record.incarnation - 1,
      signedAt: made.clock.now(),
      name: 'older',
    })
    await gossiped(made, [older.bytes])
    await pushed(made, victim, [item(older.bytes)])
    assert.equal(entryOf(victim, other).signed.id, signed.id)
  })

  it('with a number above 2^53 is not even read', async () => {
    const made = await scope(1)
    const victim = nth(made.nodes, 0)
    const { bytes } = made.attacker.record(2 ** 53 - 1, { signedAt: made.clock.now() })
    const most = Uint8Array.of(0x1b, 0x00, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)
    const above = payloadOf(bytes)
    const at = Buffer.from(above).indexOf(Buffer.from(most))
    assert.ok(at > 0)
    above.set(new Uint8Array(8).fill(0xff), at + 1)
    const before = victim.membership.view().gossip.rejected
    await gossiped(made, [encodeSigned(signValue('node-record', above, [made.attacker.key]))])
    assert.equal(victim.membership.view().gossip.rejected, before + 1)
    assert.equal(victim.membership.registry.table.get(made.attacker.peer), undefined)
  })

  it('of twenty minutes from now is ignored, by gossip and by comparing', async () => {
    const made = await scope(1)
    const victim = nth(made.nodes, 0)
    const { bytes } = made.attacker.record(1, { signedAt: asUnixMs(made.clock.now() + 20 * MINUTE) })
    const before = { ...victim.membership.view().gossip }
    await gossiped(made, [bytes])
    await pushed(made, victim, [item(bytes)])
    const after = victim.membership.view().gossip
    assert.deepEqual([after.ignored - before.ignored, after.rejected - before.rejected], [1, 0])
    assert.equal(victim.membership.registry.table.get(made.attacker.peer), undefined)
  })

  it('with another content under the same number drops both, everywhere, and the proof spreads', async () => {
    const made = await scope(3)
    const { attacker, clock } = made
    const [first, second] = ['one', 'two'].map(
      (name) => attacker.record(5, { signedAt: clock.now(), addresses: [], name }).bytes,
    ) as [Uint8Array, Uint8Array]
    await gossiped(made, [first])
    for (const node of made.nodes) assert.ok(node.membership.registry.table.get(attacker.peer))
    await gossiped(made, [second])
    for (const node of made.nodes) {
      const { table } = node.membership.registry
      assert.equal(table.get(attacker.peer), undefined)
      assert.equal(table.gone(attacker.peer)?.cause, 'equivocation')
    }
  })
})

describe('T14: an old but genuine record', () => {
  /** A node that was killed two minutes ago, and what the attacker heard of it. */
  async function withGone() {
    const made = await scope(2)
    const gone = nth(made.nodes, 1)
    const record = entryOf(nth(made.nodes, 0), gone).signed.bytes
    await gone.kill()
    await made.clock.advance(2 * MINUTE)
    assert.equal(nth(made.nodes, 0).membership.registry.table.get(gone.peer), undefined)
    return { made, gone, record }
  }

  it('said again to a new node is shown as stale, not routed to, not passed on, and soon gone', async () => {
    const { made, gone, record } = await withGone()
    const { clock, gossip, make } = made
    const fresh = make(nth(DEVICES, 2))
    await fresh.start()
    await clock.advance(5 * SECOND)
    await Promise.all([gossip.connect(`/memory/${fresh.peer}`, { signal }), clock.advance(SECOND)])
    await gossiped(made, [record])
    assert.equal(await pushed(made, fresh, [item(record)]), true)
    const { directory, registry } = fresh.membership
    assert.equal(registry.table.get(gone.peer)?.status, 'stale')
    assert.equal(itemOf(registry.table, gone.peer, clock.monotonic()), undefined)
    const states = directory.all().flatMap(({ node, state }) => (node === gone.peer ? [state] : []))
    assert.deepEqual(states, ['unhealthy'])
    // Said again and again it is no more alive, and who remembers the node is not fooled.
    for (let round = 0; round < 5; round += 1) {
      await clock.advance(10 * SECOND)
      await gossiped(made, [record])
      await pushed(made, fresh, [item(record)])
      assert.notEqual(registry.table.get(gone.peer)?.status, 'live')
      assert.equal(nth(made.nodes, 0).membership.registry.table.get(gone.peer), undefined)
    }
    await clock.advance(MINUTE)
    assert.equal(registry.table.get(gone.peer), undefined)
  })

  it('said again with all its beats at once is no more alive', async () => {
    const made = await scope(2)
    const [first, gone] = [nth(made.nodes, 0), nth(made.nodes, 1)]
    await made.clock.advance(90 * SECOND)
    const record = entryOf(first, gone).signed.bytes
    await gone.kill()
    const beats = made.heard.flatMap((data) => beatsOf(data)).filter((peer) => peer === gone.peer)
    assert.ok(beats.length >= 5, `${beats.length} beats were heard`)
    await made.clock.advance(3 * MINUTE)
    const fresh = made.make(nth(DEVICES, 2))
    await fresh.start()
    await made.clock.advance(5 * SECOND)
    await Promise.all([made.gossip.connect(`/memory/${fresh.peer}`, { signal }), made.clock.advance(SECOND)])
    await pushed(made, fresh, [item(record)])
    for (const data of made.heard) await made.gossip.publish(TOPIC, data, { signal })
    await made.clock.advance(SECOND)
    assert.equal(fresh.membership.registry.table.get(gone.peer)?.status, 'stale')
  })

  it('does not come back at a node that was started again since', async () => {
    const { made, gone, record } = await withGone()
    const first = nth(made.nodes, 0)
    await first.leave()
    await made.clock.advance(SECOND)
    await first.start()
    await Promise.all([made.gossip.connect(`/memory/${first.peer}`, { signal }), made.clock.advance(SECOND)])
    assert.equal(first.membership.registry.table.gone(gone.peer)?.cause, 'expired')
    await gossiped(made, [record])
    await pushed(made, first, [item(record)])
    assert.equal(first.membership.registry.table.get(gone.peer), undefined)
    // What would be refused for its age is forgotten.
    await made.clock.advance(limit('recordRefreshMs') + 2 * limit('clockToleranceMs'))
    assert.equal(first.membership.registry.table.gone(gone.peer), undefined)
  })

  it('is nothing against the node itself: it comes back by its next word', async () => {
    const { made, gone, record } = await withGone()
    const first = nth(made.nodes, 0)
    await gone.start()
    await made.clock.advance(5 * SECOND)
    await gossiped(made, [record])
    assert.equal(first.membership.registry.table.get(gone.peer)?.status, 'live')
  })
})

describe('T14: an old farewell', () => {
  it('does not send away a node that has started again', async () => {
    const made = await scope(2)
    const [first, second] = [nth(made.nodes, 0), nth(made.nodes, 1)]
    await second.leave()
    await made.clock.advance(SECOND)
    assert.equal(first.membership.registry.table.gone(second.peer)?.cause, 'left')
    const farewells = made.heard.slice(-1)
    await second.start()
    await made.clock.advance(5 * SECOND)
    for (const data of farewells) await made.gossip.publish(TOPIC, data, { signal })
    await made.clock.advance(SECOND)
    assert.equal(first.membership.registry.table.get(second.peer)?.status, 'live')
  })

  it('of strangers pushes out nothing that is known of nodes that were here', () => {
    const most = 5
    const registry = testRegistry({ quotas: { records: most, perBlock: most, withoutBlock: most } })
    const known = nth(DEVICES, 0)
    registry.receiveRecord(known.record(1).bytes, arrival())
    registry.receiveRecord(known.record(2, { leaseMs: 0 }).bytes, arrival())
    for (let number = 0; number < 3 * most; number += 1)
      registry.receiveRecord(new TestDevice(6_000 + number).record(1, { leaseMs: 0 }).bytes, arrival())
    assert.equal(registry.table.remembered, most)
    assert.equal(registry.table.gone(known.peer)?.cause, 'left')
    assert.equal(registry.receiveRecord(known.record(1).bytes, arrival()).kind, 'older')
  })
})

/** The authors of the beats in a message. */
function beatsOf(data: Uint8Array): readonly NodeId[] {
  const batch = parseBatch(data)
  const beats = batch.kind === 'ok' ? batch.value.beats.map((bytes) => parseLoadBeat(bytes)) : []
  return beats.flatMap((beat) => (beat.kind === 'ok' ? [peerIdOf(beat.value.beat.publicKey)] : []))
}

function entryOf(node: SimulatedNode, of: SimulatedNode) {
  const entry = node.membership.registry.table.get(of.peer)
  assert.ok(entry, `${of.peer} is not listed`)
  return entry
}

/** The second item of the canonical list that a signed value is: 0x83, a text of 11 bytes, then a byte string with 2 bytes of length. */
function payloadOf(bytes: Uint8Array): Uint8Array {
  const from = 1 + 1 + 'node-record'.length
  assert.equal(bytes[from], 0x59)
  const length = ((bytes[from + 1] ?? 0) << 8) + (bytes[from + 2] ?? 0)
  return bytes.slice(from + 3, from + 3 + length)
}
