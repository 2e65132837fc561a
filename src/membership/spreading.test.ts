/** How what one node says reaches the others: by gossip within a second, and by comparing where gossip fails. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedNode } from '../../test/simulation/simulated-node.ts'
import { nth, scheme, TestDevice, testService } from '../../test/support/registry-peer.ts'
import { seededChance } from '../../test/support/seeded-chance.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { MemoryGossipNetwork } from '../adapters/memory/memory-gossip.ts'
import { limit } from '../core/limits.ts'
import { parseQuestion, SYNC_PROTOCOL } from '../core/registry/sync-messages.ts'

const SECOND = 1_000
const DEVICES = Array.from({ length: 8 }, (_, number) => new TestDevice(650 + number))

function scope(count: number) {
  const clock = new MemoryClock()
  const chance = seededChance(9)
  const network = new MemoryGossipNetwork({ clock, chance })
  const deps = { clock, network, chance, scheme, bootstrap: [nth(DEVICES, 0).peer] }
  return { clock, network, nodes: DEVICES.slice(0, count).map((device) => new SimulatedNode(deps, device)) }
}

async function joined(count: number) {
  const made = scope(count)
  for (const node of made.nodes) await node.start()
  await made.clock.advance(20 * SECOND)
  return made
}

/** The node's gossip goes nowhere from now on. */
function mute({ network }: ReturnType<typeof scope>, node: SimulatedNode): void {
  const gossip = network.node(node.peer)
  assert.ok(gossip)
  gossip.publish = async () => undefined
}

describe('a change of a node', () => {
  const changes: Readonly<Record<string, (node: SimulatedNode) => void>> = {
    'a model is loaded': (node) => node.changeModel('just-loaded'),
    'its runtime dies': (node) => node.change({ services: [testService({ state: 'unhealthy' })] }),
    'its runtime is gone': (node) => node.change({ services: [] }),
    'it is full': (node) => node.changeLoad({ inFlight: 4 }),
    'requests wait': (node) => node.changeLoad({ inFlight: 4, queued: 3 }),
  }
  for (const [name, change] of Object.entries(changes)) {
    it(`is known to all within a second: ${name}`, async () => {
      const { clock, nodes } = await joined(6)
      const changed = nth(nodes, 3)
      change(changed)
      await clock.advance(SECOND)
      const own = changed.membership.registry.table.get(changed.peer)
      for (const node of nodes) {
        const entry = node.membership.registry.table.get(changed.peer)
        assert.deepEqual(entry?.record.services, own?.record.services)
        assert.deepEqual(entry?.loads, own?.loads)
      }
      const said = own?.record.services.map(({ state }) => state).join()
      const seen = nth(nodes, 0)
        .membership.directory.all()
        .filter(({ node }) => node === changed.peer)
      assert.equal(seen.map(({ state }) => state).join(), said)
    })
  }

  it('is known to all though its gossip is lost, within a few comparisons', async () => {
    const made = await joined(4)
    const quiet = nth(made.nodes, 1)
    mute(made, quiet)
    quiet.changeModel('never-gossiped')
    await made.clock.advance(4 * limit('syncIntervalMs'))
    for (const node of made.nodes.filter((each) => each !== quiet))
      assert.equal(node.membership.directory.candidatesFor('never-gossiped').length, 1)
  })

  it('made while two nodes were apart is known as soon as they are connected', async () => {
    const made = scope(2)
    const [first, second] = [nth(made.nodes, 0), nth(made.nodes, 1)]
    await first.start()
    mute(made, first)
    first.changeModel('made-alone')
    await made.clock.advance(SECOND)
    await second.start()
    await made.clock.advance(SECOND)
    assert.equal(second.membership.directory.candidatesFor('made-alone').length, 1)
  })
})

describe('a node that starts', () => {
  it('compares with three peers or more that it chose, before it takes its table for whole', async () => {
    const made = await joined(7)
    const { clock, network, nodes } = made
    const asked = new Set<string>()
    for (const node of nodes) {
      const gossip = network.node(node.peer)
      const answerer = gossip?.answererOf(SYNC_PROTOCOL)
      if (gossip === undefined || answerer === undefined) continue
      gossip.answer(SYNC_PROTOCOL, async (from, question, options) => {
        const parsed = parseQuestion(question)
        if (from === nth(DEVICES, 7).peer && parsed.kind === 'ok' && parsed.value.kind === 'hello') asked.add(node.peer)
        return await answerer(from, question, options)
      })
    }
    const deps = { clock, network, chance: seededChance(10), scheme, bootstrap: [nth(DEVICES, 0).peer] }
    const newcomer = new SimulatedNode(deps, nth(DEVICES, 7))
    await newcomer.start()
    const { membership } = newcomer
    await clock.advance(10 * SECOND)
    assert.equal(membership.view().state, 'joined')
    assert.ok(asked.size >= limit('syncJoinPeers'), `${asked.size} peers were asked`)
    assert.equal(membership.registry.table.live, 8)
  })

  it('is known to all two seconds after its first connection', async () => {
    const { clock, network, nodes } = await joined(7)
    const deps = { clock, network, chance: seededChance(10), scheme, bootstrap: [nth(DEVICES, 0).peer] }
    const newcomer = new SimulatedNode(deps, nth(DEVICES, 7))
    await newcomer.start()
    await clock.advance(2 * SECOND)
    for (const { membership } of nodes) assert.equal(membership.registry.table.get(newcomer.peer)?.status, 'live')
  })

  it('goes on comparing with a random peer every few seconds', async () => {
    const { clock, network } = await joined(4)
    const before = network.counts.questions
    await clock.advance(60 * SECOND)
    const questions = network.counts.questions - before
    const wanted = (4 * 60 * SECOND) / limit('syncIntervalMs')
    assert.ok(questions > wanted * 0.5 && questions < wanted * 3, `${questions} questions in a minute`)
  })
})

describe('a node that leaves on purpose', () => {
  it('is gone everywhere within a second, and does not come back by what others still pass on', async () => {
    const { clock, nodes } = await joined(6)
    const leaving = nth(nodes, 2)
    await leaving.leave()
    await clock.advance(SECOND)
    const others = nodes.filter((node) => node !== leaving)
    for (const { membership } of others) assert.equal(membership.registry.table.gone(leaving.peer)?.cause, 'left')
    await clock.advance(60 * SECOND)
    for (const { membership } of others) assert.equal(membership.registry.table.get(leaving.peer), undefined)
  })
})
