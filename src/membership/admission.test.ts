/** Who is served: peers whose record is known, or comes when it is asked for. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { SimulatedNode } from '../../test/simulation/simulated-node.ts'
import { nth, scheme, TEST_NETWORK, TestDevice } from '../../test/support/registry-peer.ts'
import { seededChance } from '../../test/support/seeded-chance.ts'
import { MemoryClock } from '../adapters/memory/memory-clock.ts'
import { MemoryGossipNetwork } from '../adapters/memory/memory-gossip.ts'
import { limit } from '../core/limits.ts'
import { encodeAnswer, SYNC_PROTOCOL, SYNC_VERSION } from '../core/registry/sync-messages.ts'

const DEVICES = [0, 1, 2].map((number) => new TestDevice(600 + number))
const never = new AbortController().signal

async function pair() {
  const clock = new MemoryClock()
  const chance = seededChance(5)
  const network = new MemoryGossipNetwork({ clock, chance })
  const deps = { clock, network, chance, scheme, bootstrap: [] }
  const [first, second] = [0, 1].map((index) => new SimulatedNode(deps, nth(DEVICES, index))) as [
    SimulatedNode,
    SimulatedNode,
  ]
  await first.start()
  await second.start()
  const connect = async (): Promise<void> => {
    const connecting = network.node(second.peer)?.connect(`/memory/${first.peer}`, { signal: never })
    for (let step = 0; step < 30 && network.node(first.peer)?.peers().length === 0; step += 1) await clock.advance(1)
    await connecting
  }
  return { clock, network, first, second, connect }
}

describe('admitting a peer', () => {
  it('says yes of a listed one at once', async () => {
    const { clock, first, second, connect } = await pair()
    await connect()
    await clock.advance(5_000)
    assert.equal(await first.membership.admit(second.peer, { signal: never }), true)
  })

  it('asks one for its record that is connected and not listed yet, once for many requests', async () => {
    const { clock, network, first, second, connect } = await pair()
    await connect()
    assert.equal(first.membership.registry.table.get(second.peer), undefined)
    const before = network.counts.questions
    const asked = Array.from({ length: 20 }, () => first.membership.admit(second.peer, { signal: never }))
    await clock.advance(1_000)
    assert.deepEqual(new Set(await Promise.all(asked)), new Set([true]))
    assert.ok(network.counts.questions - before < 12, `${network.counts.questions - before} questions`)
  })

  it('says no of a stranger, at the latest after the limit', async () => {
    const { clock, network, first } = await pair()
    const stranger = nth(DEVICES, 2)
    const gossip = network.open(stranger.peer)
    await Promise.all([gossip.connect(`/memory/${first.peer}`, { signal: never }), clock.advance(100)])
    let answer: boolean | undefined
    void first.membership.admit(stranger.peer, { signal: never }).then((value) => {
      answer = value
    })
    await clock.advance(limit('admissionWaitMs') - 200)
    assert.equal(answer, undefined)
    await clock.advance(400)
    assert.equal(answer, false)
    assert.equal(await first.membership.admit(first.peer, { signal: never }), true)
  })

  it('does not search again and again for a stranger that keeps asking', async () => {
    const { clock, network, first } = await pair()
    const stranger = network.open(nth(DEVICES, 2).peer)
    stranger.answer(SYNC_PROTOCOL, async () =>
      encodeAnswer({
        kind: 'hello',
        version: SYNC_VERSION,
        network: TEST_NETWORK,
        now: clock.now(),
        sums: new Uint8Array(),
      }),
    )
    await Promise.all([stranger.connect(`/memory/${first.peer}`, { signal: never }), clock.advance(2_000)])
    const before = network.counts.questions
    for (let round = 0; round < 100; round += 1) {
      const asked = first.membership.admit(stranger.self, { signal: never })
      await clock.advance(50)
      assert.equal(await asked, false)
    }
    const questions = network.counts.questions - before
    assert.ok(questions >= 3 && questions < 20, `${questions} questions in 5 s`)
  })

  it('stops waiting for a caller that leaves, and for everybody when the node stops', async () => {
    const { clock, network, first } = await pair()
    const stranger = nth(DEVICES, 2)
    network.open(stranger.peer)
    const leaving = new AbortController()
    const asked = first.membership.admit(stranger.peer, { signal: leaving.signal })
    const other = first.membership.admit(stranger.peer, { signal: never })
    leaving.abort(new Error('gone'))
    await assert.rejects(asked, /gone/)
    const { membership } = first
    await first.kill()
    assert.equal(await other, false)
    assert.equal(await membership.admit(nth(DEVICES, 1).peer, { signal: never }), false)
    await clock.advance(60_000)
  })
})
