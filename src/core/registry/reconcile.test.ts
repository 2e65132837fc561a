/** Digests find exactly the differences, and what is exchanged ends them. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { arrival, nth, TestDevice, testRegistry } from '../../../test/support/registry-peer.ts'
import { asMonotonicMs, asUnixMs } from '../ids.ts'
import { BUCKETS_PER_GROUP, bucketOf, Digest, differingSums } from './digest.ts'
import { differenceIn, havesIn } from './reconcile.ts'
import type { Registry } from './registry.ts'
import type { SyncItem } from './sync-messages.ts'

const DEVICES = Array.from({ length: 24 }, (_, number) => new TestDevice(number))
/** What one device may have said: nothing, one of four records, a farewell, or two records with one number. */
type Said = 'nothing' | 'one' | 'two' | 'restarted' | 'left' | 'both'
const said = fc.constantFrom<Said>('nothing', 'one', 'two', 'restarted', 'left', 'both')
const MOMENT = { at: asMonotonicMs(0), mostBytes: 1_000_000 }

const SAYINGS = DEVICES.map((device) => ({
  nothing: [],
  one: [device.record(1)],
  two: [device.record(2)],
  restarted: [device.record(1, { incarnation: 2 })],
  left: [device.record(1), device.record(3, { leaseMs: 0 })],
  both: [device.record(2), device.record(2, { name: 'twin' })],
}))

function registryOf(whats: readonly Said[]): Registry {
  const registry = testRegistry()
  for (const [index, what] of whats.entries()) {
    for (const { bytes } of nth(SAYINGS, index)[what]) registry.receiveRecord(bytes, arrival())
  }
  return registry
}

function differingBuckets(a: Registry, b: Registry): readonly number[] {
  const groups = differingSums(a.table.digest.groups(), b.table.digest.groups())
  return groups.flatMap((group) =>
    differingSums(a.table.digest.group(group), b.table.digest.group(group)).map(
      (each) => group * BUCKETS_PER_GROUP + each,
    ),
  )
}

function take(registry: Registry, items: readonly SyncItem[]): void {
  for (const item of items) {
    if (item.kind === 'proof') registry.receiveProof(item.proof, arrival(0, { source: 'peer' }))
    else registry.receiveRecord(item.record, arrival(0, { source: 'peer', idleMs: item.idleMs }))
  }
}

/** One sync that `a` begins. */
function reconcile(a: Registry, b: Registry): number {
  const buckets = differingBuckets(a, b)
  const answer = differenceIn(
    b.table,
    buckets,
    buckets.flatMap((bucket) => havesIn(a.table, bucket)),
    MOMENT,
  )
  assert.equal(answer.covered, buckets.length)
  take(a, answer.items)
  const back = differenceIn(
    a.table,
    buckets,
    buckets.flatMap((bucket) => havesIn(b.table, bucket)),
    MOMENT,
  )
  take(b, back.items)
  return answer.items.length + back.items.length
}

describe('digests', () => {
  it('differ in exactly the buckets whose records differ', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(said, said), { minLength: 24, maxLength: 24 }), (pairs) => {
        const [a, b] = [registryOf(pairs.map(([x]) => x)), registryOf(pairs.map(([, y]) => y))]
        const listed = (registry: Registry, device: TestDevice): string => {
          const slot = registry.table.slotOf(device.peer)
          if (slot?.kind === 'equivocation') return slot.records.map(({ id }) => id).join()
          return registry.table.get(device.peer)?.signed.id ?? ''
        }
        const expected = DEVICES.filter((device) => listed(a, device) !== listed(b, device)).map(({ key }) =>
          bucketOf(key.publicKey),
        )
        assert.deepEqual(
          differingBuckets(a, b),
          [...new Set(expected)].sort((x, y) => x - y),
        )
        assert.equal(differingSums(a.table.digest.root(), b.table.digest.root()).length === 0, expected.length === 0)
      }),
      { numRuns: 30 },
    )
  })

  it('forget what was taken out', () => {
    const digest = new Digest()
    const { peer, key } = nth(DEVICES, 0)
    digest.add(peer, key.publicKey, 'ff'.repeat(32))
    assert.notDeepEqual(digest.root(), new Digest().root())
    digest.remove(peer, key.publicKey, 'ff'.repeat(32))
    assert.deepEqual(digest.root(), new Digest().root())
    assert.deepEqual([...digest.peersIn(bucketOf(key.publicKey))], [])
  })
})

describe('reconciling', () => {
  it('makes any two registries equal in one sync, and then finds nothing more', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(said, said), { minLength: 24, maxLength: 24 }), (pairs) => {
        const [a, b] = [registryOf(pairs.map(([x]) => x)), registryOf(pairs.map(([, y]) => y))]
        reconcile(a, b)
        assert.deepEqual(a.table.digest.root(), b.table.digest.root())
        assert.deepEqual(
          a.table.all().map(({ signed }) => signed.id),
          b.table.all().map(({ signed }) => signed.id),
        )
        assert.equal(reconcile(a, b), 0)
      }),
      { numRuns: 40 },
    )
  })

  it('sends only what differs', () => {
    const whats = DEVICES.map((): Said => 'one')
    const [a, b] = [registryOf(whats), registryOf(whats.with(3, 'two').with(9, 'nothing'))]
    const buckets = differingBuckets(a, b)
    assert.equal(buckets.length, 2)
    const answer = differenceIn(
      b.table,
      buckets,
      buckets.flatMap((bucket) => havesIn(a.table, bucket)),
      MOMENT,
    )
    assert.deepEqual(
      answer.items.map((item) => item.kind),
      ['record'],
    )
    assert.deepEqual(answer.wants, [nth(DEVICES, 9).key.publicKey])
  })

  it('stops at the size of an answer and says how far it came', () => {
    const [a, b] = [registryOf([]), registryOf(DEVICES.map((): Said => 'one'))]
    const buckets = differingBuckets(a, b)
    const answer = differenceIn(b.table, buckets, [], { ...MOMENT, mostBytes: 3_000 })
    assert.ok(answer.items.length > 0 && answer.items.length < DEVICES.length)
    assert.equal(answer.covered, answer.items.length)
  })

  it('brings back a node whose lease ended here, by a beat that others heard', () => {
    const device = nth(DEVICES, 0)
    const [a, b] = [registryOf(['one']), registryOf(['one'])]
    a.sweep(asUnixMs(arrival(30_000).now), asMonotonicMs(30_000))
    b.receiveBeat(device.beat(1).bytes, arrival(29_000))
    const buckets = differingBuckets(a, b)
    const held = buckets.flatMap((bucket) => havesIn(b.table, bucket))
    assert.deepEqual(differenceIn(a.table, buckets, held, MOMENT).wants, [device.key.publicKey])
    const [item] = differenceIn(b.table, buckets, [], { at: asMonotonicMs(31_000), mostBytes: 10_000 }).items
    assert.ok(item?.kind === 'record' && item.beat !== undefined && item.idleMs === 2_000)
    a.receiveBeat(item.beat, arrival(31_000, { source: 'peer', idleMs: item.idleMs }))
    assert.equal(a.table.get(device.peer)?.leaseEndsAt, 59_000)
  })
})
