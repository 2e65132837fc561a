/** T16: one peer says as much as it can. Others are heard as before, and what it costs stays small. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { type MemoryGossip, MemoryGossipNetwork } from '../../src/adapters/memory/memory-gossip.ts'
import type { SignatureScheme } from '../../src/core/identity/signed-value.ts'
import { limit } from '../../src/core/limits.ts'
import { encodeBatch, registryTopic } from '../../src/core/registry/gossip-batch.ts'
import { encodeQuestion, parseAnswer, SYNC_PROTOCOL, type SyncItem } from '../../src/core/registry/sync-messages.ts'
import { SimulatedNode, type SimulatedNodeOptions } from '../simulation/simulated-node.ts'
import { nth, scheme, TEST_NETWORK, TestDevice } from '../support/registry-peer.ts'
import { seededChance } from '../support/seeded-chance.ts'

const SECOND = 1_000
const TOPIC = registryTopic(TEST_NETWORK)
const MESSAGES_PER_SECOND = 5_000
const SECONDS = 30
const signal = new AbortController().signal

async function scope({ onOpen }: SimulatedNodeOptions = {}) {
  const clock = new MemoryClock()
  const chance = seededChance(16)
  const network = new MemoryGossipNetwork({ clock, chance })
  const devices = [0, 1].map((number) => new TestDevice(5_200 + number))
  let verifications = 0
  const counting: SignatureScheme = {
    sha256: (bytes) => scheme.sha256(bytes),
    verify: (...parameters) => {
      verifications += 1
      return scheme.verify(...parameters)
    },
  }
  const deps = { clock, network, chance, bootstrap: [nth(devices, 0).peer] }
  const victim = new SimulatedNode({ ...deps, scheme: counting }, nth(devices, 0), onOpen && { onOpen })
  const other = new SimulatedNode({ ...deps, scheme }, nth(devices, 1))
  await victim.start()
  await other.start()
  await clock.advance(10 * SECOND)
  const flooder = new TestDevice(5_210)
  const gossip = network.open(flooder.peer)
  gossip.subscribe(TOPIC, () => 'ignore')
  await Promise.all([gossip.connect(`/memory/${victim.peer}`, { signal }), clock.advance(SECOND)])
  return { clock, network, victim, other, flooder, gossip, verified: () => verifications }
}

/** Notes how long each message takes to be judged. */
function timeJudge(victim: MemoryGossip, times: number[]): void {
  const subscribe = victim.subscribe.bind(victim)
  victim.subscribe = (topic, judge) =>
    subscribe(topic, (message) => {
      const before = performance.now()
      const verdict = judge(message)
      times.push(performance.now() - before)
      return verdict
    })
}

describe('T16: a flood of gossip', () => {
  it('of 5,000 messages a second for half a minute takes little time, and others are heard within five seconds', async () => {
    const times: number[] = []
    const { clock, victim, other, gossip } = await scope({ onOpen: async (end) => timeJudge(end, times) })
    times.length = 0
    let number = 0
    for (let second = 0; second < SECONDS; second += 1) {
      for (let message = 0; message < MESSAGES_PER_SECOND; message += 1) {
        number += 1
        await gossip.publish(TOPIC, Uint8Array.of(0xa1, number & 255, (number >> 8) & 255, number >> 16), { signal })
      }
      if (second % 20 === 10) other.changeModel(`model-${second}`)
      await clock.advance(SECOND)
      if (second % 20 === 15) {
        const found = victim.membership.directory.candidatesFor(`model-${second - 5}`)
        assert.equal(found.length, 1, `after ${second} s`)
      }
    }
    assert.ok(times.length >= MESSAGES_PER_SECOND * SECONDS * 0.99, `${times.length} messages arrived`)
    times.sort((a, b) => a - b)
    assert.ok(nth(times, Math.floor(times.length * 0.99)) < 1)
    const totalMs = times.reduce((sum, ms) => sum + ms, 0)
    assert.ok(totalMs < 0.1 * SECONDS * SECOND, `${totalMs} ms of half a minute`)
    const { rejected } = victim.membership.view().gossip
    assert.ok(rejected > 0.7 * times.length, `${rejected} were held against it`)
  })

  it('of records of invented nodes is checked no faster than the items of one peer may be', async () => {
    const { clock, victim, gossip, verified } = await scope()
    const authors = Array.from({ length: 2_400 }, (_, index) => new TestDevice(20_000 + index))
    const before = verified()
    const seconds = 3
    for (let second = 0; second < seconds; second += 1) {
      for (let message = 0; message < 100; message += 1) {
        const records = Array.from({ length: 8 }, (_, index) => {
          const author = nth(authors, second * 800 + message * 8 + index)
          return author.record(1, { signedAt: clock.now(), hardware: undefined, services: [] }).bytes
        })
        await gossip.publish(TOPIC, encodeBatch({ records, beats: [], proofs: [] }), { signal })
      }
      await clock.advance(SECOND)
    }
    const checked = verified() - before
    const most = limit('gossipItemsBurst') + (seconds + 1) * limit('gossipItemsPerSecond')
    assert.ok(checked > 1_000 && checked <= most, `${checked} signatures were checked`)
    assert.ok(victim.membership.registry.table.size < 2_400)
  })

  it('over comparisons is answered that this node is busy', async () => {
    const { clock, victim, gossip, flooder } = await scope()
    const items: readonly SyncItem[] = Array.from({ length: 160 }, () => ({
      kind: 'record' as const,
      record: flooder.record(1, { signedAt: clock.now(), hardware: undefined, services: [] }).bytes,
      beat: undefined,
      idleMs: 0,
    }))
    const question = encodeQuestion({ kind: 'push', items })
    const kinds = new Map<string, number>()
    for (let round = 0; round < 100; round += 1) {
      const asking = gossip.ask(victim.peer, SYNC_PROTOCOL, question, { signal }).then((bytes) => {
        const answer = parseAnswer(bytes)
        const kind = answer.kind === 'ok' ? answer.value.kind : answer.kind
        kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      })
      await Promise.all([asking, clock.advance(50)])
    }
    const most = Math.floor((limit('syncItemsBurst') + 5 * limit('syncItemsPerSecond')) / items.length)
    assert.ok((kinds.get('push') ?? 0) <= most + 1, `${kinds.get('push')} of 100 were taken`)
    assert.ok((kinds.get('busy') ?? 0) >= 99 - most)
  })
})
