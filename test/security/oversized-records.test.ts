/** T15: bytes that are too long, too deep or lie about their size cost next to nothing, and are held against who brings them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { MemoryClock } from '../../src/adapters/memory/memory-clock.ts'
import { MemoryGossipNetwork } from '../../src/adapters/memory/memory-gossip.ts'
import { encodeSigned, signValue } from '../../src/core/identity/signed-value.ts'
import { limit } from '../../src/core/limits.ts'
import { encodeBatch, parseBatch, registryTopic } from '../../src/core/registry/gossip-batch.ts'
import { parseLoadBeat } from '../../src/core/registry/load-beat.ts'
import { parseNodeRecord } from '../../src/core/registry/record-codec.ts'
import {
  encodeQuestion,
  parseAnswer,
  parseQuestion,
  SYNC_PROTOCOL,
  type SyncItem,
} from '../../src/core/registry/sync-messages.ts'
import { SimulatedNode } from '../simulation/simulated-node.ts'
import { scheme, TEST_NETWORK, TestDevice, testRegistry } from '../support/registry-peer.ts'
import { seededChance } from '../support/seeded-chance.ts'

const device = new TestDevice(5_100)
const READERS: Readonly<Record<string, (bytes: Uint8Array) => { readonly kind: string }>> = {
  record: (bytes) => parseNodeRecord(scheme, bytes),
  beat: (bytes) => parseLoadBeat(bytes),
  batch: (bytes) => parseBatch(bytes),
  question: (bytes) => parseQuestion(bytes),
  answer: (bytes) => parseAnswer(bytes),
}
const HOSTILE: Readonly<Record<string, Uint8Array>> = {
  'a record of 4,097 bytes': new Uint8Array(limit('recordBytes') + 1),
  'a million lists in each other': new Uint8Array(1_000_000).fill(0x81),
  'a map of 10^9 items': Uint8Array.of(0xba, 0x3b, 0x9a, 0xca, 0x00),
  'a list of 2^53 items': Uint8Array.of(0x9b, 0x00, 0x20, 0, 0, 0, 0, 0, 0),
  'a byte string of 2^32 bytes': Uint8Array.of(0x5a, 0xff, 0xff, 0xff, 0xff),
  'a text of 2^32 bytes in a list': Uint8Array.of(0x81, 0x7a, 0xff, 0xff, 0xff, 0xff),
  'depth inside a signed payload': encodeSigned(
    signValue('node-record', new Uint8Array(3_000).fill(0x81), [device.key]),
  ),
  'maps in each other': Uint8Array.from({ length: 4_000 }, (_, index) => (index % 2 === 0 ? 0xa1 : 0x00)),
}

describe('T15: bytes that lie', () => {
  for (const [name, bytes] of Object.entries(HOSTILE)) {
    it(`are refused in under a millisecond and without memory: ${name}`, () => {
      for (const read of Object.values(READERS)) {
        read(bytes)
        assert.ok(bestMs(() => assert.equal(read(bytes).kind, 'malformed')) < 1)
      }
      // Buffers of others come and go meanwhile: one quiet round shows that ours are small.
      const growths = Array.from({ length: 10 }, () =>
        bufferGrowth(() => Object.values(READERS).map((read) => read(bytes))),
      )
      assert.ok(Math.min(...growths) < 64 * 1024, `${growths.join()} bytes`)
    })
  }

  it('are held against the peer that gossips them, and end its comparison', async () => {
    const clock = new MemoryClock()
    const chance = seededChance(15)
    const network = new MemoryGossipNetwork({ clock, chance })
    const victim = new SimulatedNode({ clock, network, chance, scheme, bootstrap: [] }, new TestDevice(5_101))
    await victim.start()
    const gossip = network.open(device.peer)
    const { signal } = new AbortController()
    await Promise.all([gossip.connect(`/memory/${victim.peer}`, { signal }), clock.advance(1_000)])
    const short = Object.values(HOSTILE).filter(({ length }) => length < 10_000)
    for (const bytes of short) {
      await gossip.publish(registryTopic(TEST_NETWORK), bytes, { signal })
      await gossip.publish(registryTopic(TEST_NETWORK), encodeBatch({ records: [bytes], beats: [], proofs: [] }), {
        signal,
      })
    }
    await clock.advance(1_000)
    assert.equal(victim.membership.view().gossip.rejected, 2 * short.length)
    for (const record of short) {
      const items: readonly SyncItem[] = [
        { kind: 'record', record, beat: undefined, idleMs: 0 },
        { kind: 'record', record: device.record(1, { signedAt: clock.now() }).bytes, beat: undefined, idleMs: 0 },
      ]
      const asking = gossip.ask(victim.peer, SYNC_PROTOCOL, encodeQuestion({ kind: 'push', items }), { signal })
      await Promise.all([assert.rejects(asking, { code: 'peer_unreachable' }), clock.advance(1_000)])
    }
    assert.equal(victim.membership.registry.table.get(device.peer), undefined)
  })

  it('are never read where the record is known or old already', () => {
    let verifications = 0
    const counting = {
      sha256: (bytes: Uint8Array) => scheme.sha256(bytes),
      verify: (...parameters: Parameters<typeof scheme.verify>) => {
        verifications += 1
        return scheme.verify(...parameters)
      },
    }
    const registry = testRegistry({ scheme: counting })
    const at = { now: device.record(1).record.signedAt, at: 0 as never, source: 'author' as const, idleMs: 0 }
    for (const seq of [3, 1, 2, 3, 1]) registry.receiveRecord(device.record(seq).bytes, at)
    assert.equal(verifications, 1)
  })
})

/** Bytes outside the heap that are there after `task` and were not before it. */
function bufferGrowth(task: () => unknown): number {
  const before = process.memoryUsage()
  task()
  const after = process.memoryUsage()
  return Math.max(after.external - before.external, after.arrayBuffers - before.arrayBuffers)
}

/** The time of the fastest of some rounds: the machine may do other things meanwhile. */
function bestMs(task: () => void): number {
  const times = Array.from({ length: 10 }, () => {
    const before = performance.now()
    task()
    return performance.now() - before
  })
  return Math.min(...times)
}
