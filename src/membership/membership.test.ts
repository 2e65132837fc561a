/** What members of a network see of each other, on virtual time. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedNode } from '../../test/simulation/simulated-node.ts'
import { nth, START, scheme, TEST_NETWORK, TestDevice } from '../../test/support/registry-peer.ts'
import { seededChance } from '../../test/support/seeded-chance.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { MemoryGossipNetwork } from '../adapters/memory/memory-gossip.ts'
import { HeddleError } from '../core/errors.ts'
import { asUnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import { encodeBatch, registryTopic } from '../core/registry/gossip-batch.ts'
import type { RegistryEntry } from '../core/registry/registry-table.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const DEVICES = Array.from({ length: 6 }, (_, number) => new TestDevice(500 + number))

interface Scope {
  readonly clock: MemoryClock
  readonly network: MemoryGossipNetwork
  readonly nodes: readonly SimulatedNode[]
  /** Another run of a device's node. */
  readonly make: (device: TestDevice, skewMs?: number) => SimulatedNode
}

function scope(
  count: number,
  { skews = [], bootstrap = 0 }: { skews?: readonly number[]; bootstrap?: number } = {},
): Scope {
  const clock = new MemoryClock()
  const chance = seededChance(3)
  const network = new MemoryGossipNetwork({ clock, chance })
  const deps = { clock, network, chance, scheme, bootstrap: [nth(DEVICES, bootstrap).peer] }
  const make = (device: TestDevice, skewMs = 0): SimulatedNode => new SimulatedNode(deps, device, { skewMs })
  return { clock, network, make, nodes: DEVICES.slice(0, count).map((device, index) => make(device, skews[index])) }
}

/** That many nodes that know each other. */
async function joined(count: number, options: Parameters<typeof scope>[1] = {}): Promise<Scope> {
  const made = scope(count, options)
  for (const node of made.nodes) await node.start()
  await made.clock.advance(20 * SECOND)
  return made
}

function entryOf(node: SimulatedNode, of: SimulatedNode): RegistryEntry | undefined {
  return node.membership.registry.table.get(of.peer)
}

describe('membership', () => {
  it('lists everybody after a join over one address, and survives the one who gave it', async () => {
    const { clock, nodes } = await joined(5)
    for (const node of nodes) {
      assert.deepEqual(node.membership.registry.table.live, 5)
      assert.equal(node.membership.view().state, 'joined')
    }
    await nth(nodes, 0).kill()
    await clock.advance(2 * MINUTE)
    for (const node of nodes.slice(1)) assert.equal(node.membership.registry.table.live, 4)
  })

  it('tells everybody of another model within a second', async () => {
    const { clock, nodes } = await joined(5)
    nth(nodes, 2).changeModel('new-model')
    await clock.advance(SECOND)
    for (const node of nodes.filter((each) => each !== nth(nodes, 2))) {
      const [candidate] = node.membership.directory.candidatesFor('new-model')
      assert.equal(candidate?.node, nth(nodes, 2).peer)
    }
  })

  it('tells at once when a node becomes full, without another record', async () => {
    const { clock, nodes } = await joined(3)
    const [first, second] = [nth(nodes, 0), nth(nodes, 1)]
    const seq = entryOf(second, first)?.record.seq
    first.changeLoad({ inFlight: 4 })
    await clock.advance(SECOND)
    assert.equal(entryOf(second, first)?.loads[0]?.inFlight, 4)
    assert.equal(entryOf(second, first)?.record.seq, seq)
  })

  it('makes one record of many changes, and no more than the limit in the long run', async () => {
    const { clock, nodes } = await joined(2)
    const [first, second] = [nth(nodes, 0), nth(nodes, 1)]
    const before = entryOf(second, first)?.record.seq ?? 0
    for (let change = 0; change < 300; change += 1) {
      first.changeModel(`model-${change}`)
      await clock.advance(100)
    }
    await clock.advance(15 * SECOND)
    const records = (entryOf(second, first)?.record.seq ?? 0) - before
    assert.ok(records <= limit('recordBurst') + 45 / 10, `${records} records`)
    assert.equal(entryOf(second, first)?.record.services[0]?.offers[0]?.id, 'model-299')
  })

  it('signs again in time though nothing changes, and keeps quiet nodes listed', async () => {
    const { clock, nodes } = await joined(2)
    const before = entryOf(nth(nodes, 0), nth(nodes, 1))?.record.seq ?? 0
    await clock.advance(35 * MINUTE)
    const entry = entryOf(nth(nodes, 0), nth(nodes, 1))
    assert.ok(entry !== undefined && entry.record.seq >= before + 3)
    assert.ok(clock.now() - entry.record.signedAt <= limit('recordRefreshMs'))
  })

  it('forgets a node that leaves at once, and a killed one within two leases', async () => {
    const { clock, nodes } = await joined(4)
    await nth(nodes, 1).leave()
    await clock.advance(SECOND)
    assert.equal(entryOf(nth(nodes, 0), nth(nodes, 1)), undefined)
    await nth(nodes, 2).kill()
    await clock.advance(60 * SECOND)
    assert.equal(entryOf(nth(nodes, 0), nth(nodes, 2)), undefined)
    assert.ok(entryOf(nth(nodes, 0), nth(nodes, 3)))
  })

  it('takes a node out of routing at the first failed request and back in after a probe', async () => {
    const { clock, nodes, network } = await joined(2)
    const [first, second] = [nth(nodes, 0), nth(nodes, 1)]
    const { directory, liveness } = first.membership
    const stateOf = (): string => `${directory.all()[0]?.state} ${directory.all()[0]?.reason}`
    assert.equal(stateOf(), 'ready ')
    const version = directory.version()
    network.partition((peer) => (peer === first.peer ? 0 : 1))
    liveness.observed(second.peer, { kind: 'unreachable', reason: 'connection refused' })
    assert.equal(stateOf(), 'unhealthy connection refused')
    assert.notEqual(directory.version(), version)
    await clock.advance(10 * SECOND)
    assert.equal(liveness.view(second.peer).state, 'down')
    network.heal()
    await clock.advance(20 * SECOND)
    assert.equal(stateOf(), 'ready ')
  })

  it('counts its own requests to a node before that reports them', async () => {
    const { nodes } = await joined(2)
    const { directory } = nth(nodes, 0).membership
    const [candidate] = directory.candidatesFor('qwen3:8b')
    assert.ok(candidate)
    const ends = [directory.dispatched(candidate), directory.dispatched(candidate)]
    assert.equal(directory.candidatesFor('qwen3:8b')[0]?.inFlight, 2)
    for (const end of [...ends, ...ends]) end()
    assert.equal(directory.candidatesFor('qwen3:8b')[0]?.inFlight, 0)
  })
})

describe('a start', () => {
  it('says that no bootstrap answers, keeps trying and joins when one does', async () => {
    const { clock, nodes } = scope(2, { bootstrap: 1 })
    const [first, second] = [nth(nodes, 0), nth(nodes, 1)]
    await first.start()
    await clock.advance(MINUTE)
    const { bootstrap, state } = first.membership.view()
    assert.equal(state, 'alone')
    assert.deepEqual([bootstrap.addresses, bootstrap.failedRounds > 3], [1, true])
    assert.match(bootstrap.reason, /cannot reach/)
    assert.equal(first.log.records.filter(({ message }) => message === 'no bootstrap answers; trying again').length, 1)
    await second.start()
    await clock.advance(limit('bootstrapRetryMaxMs') * 1.2 + 2 * SECOND)
    assert.equal(first.membership.view().state, 'joined')
  })

  it('says why the list of bootstraps cannot be read, asks for it again and joins when it can', async () => {
    const { clock, network, nodes } = scope(2)
    const first = nth(nodes, 0)
    await first.start()
    let isThere = false
    const deps = { clock, network, chance: seededChance(4), scheme, bootstrap: [] }
    const second = new SimulatedNode(deps, nth(DEVICES, 1), {
      bootstrap: async () => {
        if (isThere) return [`/memory/${first.peer}`]
        throw new HeddleError('peer_unreachable', 'the list cannot be reached')
      },
    })
    await second.start()
    await clock.advance(MINUTE)
    const { bootstrap, state } = second.membership.view()
    assert.deepEqual([state, bootstrap.addresses, bootstrap.failedRounds > 3], ['alone', 0, true])
    assert.equal(bootstrap.reason, 'the list cannot be reached')
    isThere = true
    await clock.advance(limit('bootstrapRetryMaxMs') * 1.2 + 2 * SECOND)
    assert.equal(second.membership.view().state, 'joined')
    assert.deepEqual(second.membership.view().bootstrap, { addresses: 1, failedRounds: 0, reason: '' })
  })

  it('after a stop needs no bootstrap, and shows who was there as stale until heard of', async () => {
    const { clock, network, nodes } = await joined(4)
    const [bootstrap, second] = [nth(nodes, 0), nth(nodes, 1)]
    await clock.advance(MINUTE)
    await second.leave()
    await bootstrap.kill()
    await clock.advance(SECOND)
    network.partition((peer) => (peer === second.peer ? 1 : 0))
    await second.start()
    await clock.advance(SECOND)
    const { directory, registry } = second.membership
    assert.equal(registry.table.size, 4)
    assert.deepEqual([...new Set(directory.all().map(({ state }) => state))], ['unhealthy'])
    network.heal()
    await clock.advance(30 * SECOND)
    assert.equal(second.membership.view().state, 'joined')
    assert.equal(directory.all().filter(({ state }) => state === 'ready').length, 2)
    await clock.advance(MINUTE)
    assert.equal(registry.table.size, 3)
  })

  it('with a clock behind that of the last run still comes after it', async () => {
    const { clock, make, nodes } = await joined(3)
    const [first, second] = [nth(nodes, 0), nth(nodes, 1)]
    const before = entryOf(first, second)?.record.incarnation ?? 0
    await second.kill()
    const again = make(second.device, -5 * MINUTE)
    again.changeModel('after-the-restart')
    await again.start()
    await clock.advance(20 * SECOND)
    const entry = entryOf(first, again)
    assert.ok(entry !== undefined && entry.record.incarnation > before)
    assert.equal(entry.record.services[0]?.offers[0]?.id, 'after-the-restart')
  })
})

describe('clocks', () => {
  it('that are ten minutes off do no harm', async () => {
    const { nodes } = await joined(3, { skews: [0, 10 * MINUTE, 0] })
    for (const node of nodes) assert.equal(node.membership.registry.table.live, 3)
    assert.equal(nth(nodes, 1).membership.view().clockSkewMs !== undefined, true)
  })

  it('that are twenty minutes off keep a node out, and the log says how far', async () => {
    for (const skewMs of [-20 * MINUTE, 20 * MINUTE]) {
      const { nodes } = await joined(3, { skews: [0, skewMs, 0] })
      const [first, second] = [nth(nodes, 0), nth(nodes, 1)]
      assert.equal(entryOf(first, second), undefined)
      assert.equal(entryOf(nth(nodes, 2), first)?.status, 'live')
      const warning = first.log.records.find(({ level, fields }) => level === 'warn' && fields['peer'] === second.peer)
      assert.ok(Math.abs(Number(warning?.fields['skewMs']) - skewMs) < SECOND)
    }
  })
})

describe('bad gossip', () => {
  const signal = new AbortController().signal
  const topic = registryTopic(TEST_NETWORK)
  const batch = (records: readonly Uint8Array[], beats: readonly Uint8Array[] = []): Uint8Array =>
    encodeBatch({ records, beats, proofs: [] })

  async function withStranger() {
    const made = await joined(3)
    const stranger = new TestDevice(900)
    const gossip = made.network.open(stranger.peer)
    gossip.subscribe(topic, () => 'ignore')
    await Promise.all([gossip.connect(`/memory/${nth(made.nodes, 0).peer}`, { signal }), made.clock.advance(SECOND)])
    return { ...made, stranger, gossip, victim: nth(made.nodes, 0) }
  }

  it('is held against its sender when it cannot be read or its signature is wrong', async () => {
    const { clock, gossip, victim, stranger } = await withStranger()
    const forged = stranger.record(1, { signedAt: clock.now() }).bytes
    forged.set([1, 2, 3], forged.length - 3)
    for (const data of [Uint8Array.of(1, 2, 3), batch([new Uint8Array(4_097)]), batch([forged])])
      await gossip.publish(topic, data, { signal })
    await clock.advance(SECOND)
    assert.equal(victim.membership.view().gossip.rejected, 3)
  })

  it('of one peer in a flood is refused, while others are heard', async () => {
    const { clock, gossip, nodes, victim, stranger } = await withStranger()
    for (let second = 0; second < 10; second += 1) {
      for (let message = 0; message < 3_000; message += 1) {
        const old = stranger.beat(1, { sentAt: asUnixMs(START + second * 10_000 + message) })
        if (message < 20) await gossip.publish(topic, batch([], [old.bytes]), { signal })
        else await gossip.publish(topic, Uint8Array.of(0xa0, second, message & 255, message >> 8), { signal })
      }
      await clock.advance(SECOND)
    }
    nth(nodes, 1).changeModel('heard')
    await clock.advance(SECOND)
    assert.equal(victim.membership.directory.candidatesFor('heard').length, 1)
    const { rejected, accepted } = victim.membership.view().gossip
    assert.ok(rejected > 15_000, `${rejected} rejected`)
    assert.ok(accepted < 100)
  })

  it('of an author who says too much goes no further', async () => {
    const { clock, gossip, nodes, stranger } = await withStranger()
    // All three are neighbours of the stranger's one neighbour only.
    for (let seq = 1; seq <= 20; seq += 1) {
      await gossip.publish(topic, batch([stranger.record(seq, { addresses: [], signedAt: clock.now() }).bytes]), {
        signal,
      })
      await clock.advance(100)
    }
    assert.equal(nth(nodes, 0).membership.registry.table.get(stranger.peer)?.record.seq, 20)
    const seen = nth(nodes, 1).membership.registry.table.get(stranger.peer)?.record.seq ?? 0
    assert.ok(seen >= limit('recordBurst') && seen < 20, `${seen}`)
    await clock.advance(15 * SECOND)
    assert.equal(nth(nodes, 1).membership.registry.table.get(stranger.peer)?.record.seq, 20)
  })
})
