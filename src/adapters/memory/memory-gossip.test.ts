/** Gossip in memory keeps the contract, and has the faults that it is told to have. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { gossipContract } from '../../../test/contracts/gossip.contract.ts'
import { seededChance } from '../../../test/support/seeded-chance.ts'
import type { NodeId } from '../../core/ids.ts'
import { MemoryClock } from './memory-clock.ts'
import { type MemoryGossip, MemoryGossipNetwork } from './memory-gossip.ts'

const TOPIC = '/heddle/test/1'

function network() {
  const clock = new MemoryClock()
  return { clock, network: new MemoryGossipNetwork({ clock, chance: seededChance(1) }) }
}

gossipContract('MemoryGossip', async (count) => {
  const { clock, network: memory } = network()
  const nodes = Array.from({ length: count }, (_, index) => memory.open(`node${index}` as NodeId))
  return {
    nodes,
    addressOf: (node) => `/memory/${node.self}`,
    settle: async (task) => {
      const [result] = await Promise.allSettled([task(), clock.advance(1_000)])
      if (result.status === 'rejected') throw result.reason
      return result.value
    },
    cut: async (a, b) => memory.disconnect(a.self, b.self),
    [Symbol.asyncDispose]: async () => undefined,
  }
})

describe('the network in memory', () => {
  async function pair() {
    const { clock, network: memory } = network()
    const [a, b] = [memory.open('a' as NodeId), memory.open('b' as NodeId)] as [MemoryGossip, MemoryGossip]
    const heard: number[] = []
    b.subscribe(TOPIC, ({ data }) => {
      heard.push(data[0] ?? -1)
      return 'accept'
    })
    await Promise.all([a.connect('/memory/b', { signal: AbortSignal.timeout(1_000) }), clock.advance(100)])
    const send = async (count: number): Promise<readonly number[]> => {
      heard.length = 0
      for (let number = 0; number < count; number += 1)
        await a.publish(TOPIC, Uint8Array.of(number), { signal: AbortSignal.timeout(1_000) })
      await clock.advance(1_000)
      return [...heard]
    }
    return { clock, memory, a, b, send }
  }

  it('loses as many messages as it should, and lets some overtake others', async () => {
    const { memory, send } = await pair()
    memory.faults = { delayMs: [1, 100], loss: 0.5, duplication: 0 }
    const heard = await send(100)
    assert.ok(heard.length > 30 && heard.length < 70)
    assert.notDeepEqual(
      heard,
      heard.toSorted((x, y) => x - y),
    )
  })

  it('hands on a duplicate once', async () => {
    const { memory, send } = await pair()
    memory.faults = { delayMs: [1, 10], loss: 0, duplication: 1 }
    assert.equal((await send(20)).length, 20)
  })

  it('breaks connections between the parts of a partition, and lets them be made again after it', async (t) => {
    const { clock, memory, a, b, send } = await pair()
    memory.partition((peer) => (peer === a.self ? 0 : 1))
    assert.deepEqual([a.peers(), b.peers(), await send(3)], [[], [], []])
    await Promise.all([assert.rejects(a.connect('/memory/b', { signal: t.signal })), clock.advance(100)])
    memory.heal()
    await Promise.all([a.connect('/memory/b', { signal: t.signal }), clock.advance(100)])
    assert.equal((await send(3)).length, 3)
  })
})
