/** What comes into the registry, what ends a lease, and what is refused. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  arrival,
  nth,
  START,
  scheme,
  TestDevice,
  testRegistry,
  testService,
  withFlippedByte,
} from '../../../test/support/registry-peer.ts'
import { asMonotonicMs, asUnixMs, type NetworkId } from '../ids.ts'
import { limit } from '../limits.ts'
import { IDLE_LOAD } from './node-record.ts'
import type { Outcome } from './outcome.ts'

const MINUTE = 60_000
const device = new TestDevice(1)
const at = (ms: number) => [asUnixMs(START + ms), asMonotonicMs(ms)] as const
const refusalOf = (outcome: Outcome): string => (outcome.kind === 'refused' ? outcome.refusal.kind : outcome.kind)

describe('a lease', () => {
  it('ends when nothing was heard for its time, and the node is gone', () => {
    const registry = testRegistry()
    registry.receiveRecord(device.record(1).bytes, arrival())
    assert.deepEqual(registry.sweep(...at(1_000)), [])
    assert.deepEqual(registry.sweep(...at(29_999 - 25_000)), [])
    for (let ms = 6_000; ms < 30_000; ms += 1_000) assert.deepEqual(registry.sweep(...at(ms)), [])
    assert.deepEqual(registry.sweep(...at(30_000)), [device.peer])
    assert.equal(registry.table.get(device.peer), undefined)
    assert.deepEqual(registry.table.digest.root(), testRegistry().table.digest.root())
  })

  it('begins again with every beat, which is counted once', () => {
    const registry = testRegistry()
    registry.receiveRecord(device.record(1).bytes, arrival())
    const beat = device.beat(1, { loads: [{ ...IDLE_LOAD, inFlight: 3 }] })
    assert.equal(registry.receiveBeat(beat.bytes, arrival(20_000)).kind, 'heard')
    assert.equal(registry.receiveBeat(beat.bytes, arrival(40_000)).kind, 'duplicate')
    assert.equal(registry.table.get(device.peer)?.leaseEndsAt, 50_000)
    assert.equal(registry.table.get(device.peer)?.loads[0]?.inFlight, 3)
  })

  it('is not prolonged by records and beats that are passed on late or again', () => {
    const registry = testRegistry()
    const record = device.record(1).bytes
    registry.receiveRecord(record, arrival(0, { source: 'peer', idleMs: 25_000 }))
    assert.equal(registry.table.get(device.peer)?.leaseEndsAt, 5_000)
    registry.receiveRecord(record, arrival(4_000, { source: 'peer', idleMs: 0 }))
    assert.equal(registry.table.get(device.peer)?.leaseEndsAt, 5_000)
    registry.sweep(...at(5_000))
    assert.equal(registry.receiveRecord(record, arrival(6_000, { source: 'peer' })).kind, 'duplicate')
    assert.equal(registry.table.get(device.peer), undefined)
    assert.equal(
      refusalOf(
        registry.receiveRecord(new TestDevice(2).record(1).bytes, arrival(0, { source: 'peer', idleMs: 30_000 })),
      ),
      'too_old',
    )
  })

  it('comes back only by a beat that was not seen before', () => {
    const registry = testRegistry()
    registry.receiveRecord(device.record(1).bytes, arrival())
    registry.receiveBeat(device.beat(7).bytes, arrival())
    registry.sweep(...at(30_000))
    assert.equal(registry.receiveBeat(device.beat(7).bytes, arrival(31_000)).kind, 'duplicate')
    assert.equal(registry.table.get(device.peer), undefined)
    assert.equal(registry.receiveBeat(device.beat(8).bytes, arrival(31_000)).kind, 'heard')
    assert.equal(registry.table.get(device.peer)?.record.seq, 1)
  })

  it('waits for a process that was asleep', () => {
    const registry = testRegistry()
    registry.receiveRecord(device.record(1).bytes, arrival())
    registry.sweep(...at(1_000))
    assert.deepEqual(registry.sweep(...at(61_000)), [])
    assert.equal(registry.table.get(device.peer)?.leaseEndsAt, 90_000)
  })

  it('that ended elsewhere begins nowhere, but ends an older proof', () => {
    const over = arrival(0, { source: 'peer', idleMs: limit('leaseMaxMs') })
    const registry = testRegistry()
    assert.equal(refusalOf(registry.receiveRecord(device.record(1).bytes, over)), 'too_old')
    registry.receiveRecord(device.record(1).bytes, arrival())
    assert.equal(refusalOf(registry.receiveRecord(device.record(2).bytes, over)), 'too_old')
    assert.equal(registry.table.get(device.peer)?.record.seq, 1)
    registry.receiveRecord(device.record(1, { name: 'twin' }).bytes, arrival())
    assert.equal(registry.table.gone(device.peer)?.cause, 'equivocation')
    assert.equal(registry.receiveRecord(device.record(2).bytes, over).kind, 'left')
    assert.equal(registry.table.gone(device.peer)?.cause, 'expired')
    assert.deepEqual(registry.table.digest.root(), testRegistry().table.digest.root())
  })

  it('is at most what the limit says', () => {
    const registry = testRegistry()
    registry.receiveRecord(device.record(1, { leaseMs: 2 ** 50 }).bytes, arrival())
    assert.equal(registry.table.get(device.peer)?.leaseEndsAt, limit('leaseMaxMs'))
  })

  it('ends at once when the node says that it leaves, and nothing older brings it back', () => {
    const registry = testRegistry()
    registry.receiveRecord(device.record(1).bytes, arrival())
    assert.equal(registry.receiveRecord(device.record(2, { leaseMs: 0 }).bytes, arrival(10)).kind, 'left')
    assert.equal(registry.table.get(device.peer), undefined)
    assert.equal(registry.receiveRecord(device.record(1).bytes, arrival(20)).kind, 'older')
    assert.equal(registry.receiveBeat(device.beat(9).bytes, arrival(20)).kind, 'older')
    assert.equal(registry.receiveRecord(device.record(1, { incarnation: 2 }).bytes, arrival(30)).kind, 'listed')
  })
})

describe('what a registry refuses', () => {
  it('is a record of another network, of the future, of long ago, or forged', () => {
    const registry = testRegistry()
    const elsewhere = 'cd'.repeat(32) as NetworkId
    const judge = (bytes: Uint8Array, source: 'author' | 'peer' = 'author') =>
      refusalOf(registry.receiveRecord(bytes, arrival(0, { source })))
    assert.equal(judge(device.record(1, { network: elsewhere }).bytes), 'wrong_network')
    assert.equal(judge(device.record(1, { signedAt: asUnixMs(START + 20 * MINUTE) }).bytes), 'clock_ahead')
    assert.equal(judge(device.record(1, { signedAt: asUnixMs(START - 20 * MINUTE) }).bytes), 'too_old')
    assert.equal(judge(device.record(1, { signedAt: asUnixMs(START - 26 * MINUTE) }).bytes, 'peer'), 'too_old')
    const { bytes } = device.record(1)
    assert.equal(judge(withFlippedByte(bytes, -5)), 'bad_signature')
    assert.equal(registry.table.size, 0)
  })

  it('is not a record of a clock ten minutes off', () => {
    for (const off of [-10, 10]) {
      const registry = testRegistry()
      const signedAt = asUnixMs(START + off * MINUTE)
      assert.equal(registry.receiveRecord(device.record(1, { signedAt }).bytes, arrival()).kind, 'listed')
      assert.equal(registry.receiveBeat(device.beat(1, { sentAt: signedAt }).bytes, arrival()).kind, 'heard')
    }
  })

  it('is a record of somebody else’s key', () => {
    const registry = testRegistry()
    const stolen = device.record(1)
    const other = new TestDevice(2)
    assert.notEqual(other.peer, device.peer)
    registry.receiveRecord(stolen.bytes, arrival())
    assert.equal(registry.table.get(other.peer), undefined)
  })

  it('is what the network’s policy speaks against, also later', () => {
    let revoked = false
    const registry = testRegistry({ objectionTo: () => (revoked ? 'its account revoked the device' : undefined) })
    registry.receiveRecord(device.record(1).bytes, arrival())
    revoked = true
    assert.deepEqual(registry.recheck(START), [device.peer])
    assert.equal(registry.table.get(device.peer), undefined)
    assert.equal(refusalOf(registry.receiveRecord(device.record(2).bytes, arrival())), 'not_admitted')
  })

  it('is more nodes of one address block than the limit, but never one that is held', () => {
    const registry = testRegistry()
    const blocked = Array.from({ length: 40 }, (_, index) => new TestDevice(100 + index))
    const addresses = (index: number) => [`/ip4/203.0.113.${index}/tcp/11441`, '/ip4/10.0.0.1/tcp/11441']
    const outcomes = blocked.map((each, index) =>
      refusalOf(registry.receiveRecord(each.record(1, { addresses: addresses(index) }).bytes, arrival())),
    )
    assert.equal(outcomes.filter((each) => each === 'listed').length, limit('recordsPerBlock'))
    assert.equal(
      refusalOf(registry.receiveRecord(nth(blocked, 0).record(2, { addresses: addresses(0) }).bytes, arrival())),
      'listed',
    )
    const elsewhere = new TestDevice(200).record(1, { addresses: ['/ip4/198.51.100.1/tcp/11441'] })
    assert.equal(refusalOf(registry.receiveRecord(elsewhere.bytes, arrival())), 'listed')
    registry.receiveRecord(nth(blocked, 0).record(3, { leaseMs: 0 }).bytes, arrival())
    assert.equal(
      refusalOf(registry.receiveRecord(nth(blocked, 39).record(1, { addresses: addresses(39) }).bytes, arrival())),
      'listed',
    )
  })

  it('is the record after the last that fits', () => {
    const registry = testRegistry({ quotas: { records: 3, perBlock: 32, withoutBlock: 2 } })
    const judge = (number: number, addresses: readonly string[]) =>
      refusalOf(registry.receiveRecord(new TestDevice(number).record(1, { addresses }).bytes, arrival()))
    assert.deepEqual([judge(1, []), judge(2, []), judge(3, [])], ['listed', 'listed', 'full'])
    assert.deepEqual([judge(4, ['/ip4/203.0.113.1/tcp/1']), judge(5, ['/ip4/203.0.113.2/tcp/1'])], ['listed', 'full'])
  })

  it('costs no second verification', () => {
    let verifications = 0
    const counting = {
      sha256: scheme.sha256.bind(scheme),
      verify: (...parameters: Parameters<typeof scheme.verify>) => {
        verifications += 1
        return scheme.verify(...parameters)
      },
    }
    const registry = testRegistry({ scheme: counting })
    const [first, second] = [device.record(1).bytes, device.record(2).bytes]
    for (const bytes of [first, first, second, first, second]) registry.receiveRecord(bytes, arrival())
    assert.equal(verifications, 2)
    registry.table.drop(device.peer)
    assert.equal(registry.receiveRecord(second, arrival()).kind, 'listed')
    assert.equal(verifications, 2)
  })
})

describe('a registry’s own record', () => {
  it('never expires and is only replaced by us', () => {
    const registry = testRegistry({ self: device.peer })
    registry.putOwn(device.record(1), asMonotonicMs(0))
    for (let ms = 0; ms < 3_600_000; ms += 4_000) registry.sweep(...at(ms))
    assert.equal(registry.table.get(device.peer)?.record.seq, 1)
    const stranger = registry.receiveRecord(device.record(9, { incarnation: 4 }).bytes, arrival())
    assert.deepEqual(stranger, { kind: 'own', position: { incarnation: 4, seq: 9 } })
    assert.equal(registry.table.get(device.peer)?.record.seq, 1)
  })
})

describe('looking up nodes', () => {
  it('finds them by peer, service, identity group and model, and tells when something changed', () => {
    const registry = testRegistry()
    const { table } = registry
    const whisper = testService({ name: 'whisper', offers: [], groups: ['lang=de', 'all'] })
    registry.receiveRecord(device.record(1, { services: [testService(), whisper] }).bytes, arrival())
    registry.receiveRecord(new TestDevice(2).record(1).bytes, arrival())
    assert.equal(table.having('service', 'llm').length, 2)
    assert.deepEqual(
      table.having('service', 'whisper').map(({ record }) => record.peer),
      [device.peer],
    )
    assert.equal(table.having('group', 'lang=de').length, 1)
    assert.equal(table.having('group', 'model=qwen3:8b').length, 2)
    assert.equal(table.having('model', 'qwen3:8b').length, 2)
    const before = table.version
    registry.receiveBeat(device.beat(1, { loads: [IDLE_LOAD, { ...IDLE_LOAD, queued: 1 }] }).bytes, arrival())
    assert.equal(table.version, before)
    registry.receiveRecord(device.record(2, { services: [testService(), whisper] }).bytes, arrival())
    assert.equal(table.get(device.peer)?.record.seq, 2)
    assert.equal(table.version, before)
    registry.receiveRecord(device.record(3, { services: [] }).bytes, arrival())
    assert.notEqual(table.version, before)
    assert.equal(table.having('model', 'qwen3:8b').length, 1)
    assert.deepEqual(table.having('service', 'whisper'), [])
  })

  it('shows what was remembered on disk as stale until it is heard of', () => {
    const registry = testRegistry()
    const record = device.record(1)
    registry.receiveRecord(record.bytes, arrival(0, { source: 'disk' }))
    assert.equal(registry.table.get(device.peer)?.status, 'stale')
    assert.equal(registry.table.live, 0)
    assert.deepEqual(registry.table.digest.root(), testRegistry().table.digest.root())
    registry.receiveRecord(record.bytes, arrival(5, { source: 'peer', idleMs: 1_000 }))
    assert.equal(registry.table.get(device.peer)?.status, 'live')
    assert.equal(registry.table.live, 1)
  })
})
