/** The laws by which every node ends with the same table, whatever it heard first. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { arrival, nth, scheme, TestDevice, testRegistry, withFlippedByte } from '../../../test/support/registry-peer.ts'
import type { NodeId } from '../ids.ts'
import { checkProof, encodeProof } from './equivocation.ts'
import { mergeSlots, mergeTables, recordsOf, type Slot, type Table } from './merge.ts'
import type { SignedRecord } from './node-record.ts'
import type { Registry } from './registry.ts'

const DEVICES = [0, 1, 2].map((number) => new TestDevice(number))
/** Every record that the three devices ever sign: two incarnations, three numbers, three contents. */
const RECORDS: readonly SignedRecord[] = DEVICES.flatMap((device) =>
  [1, 2].flatMap((incarnation) =>
    [1, 2, 3].flatMap((seq) => ['one', 'two', 'three'].map((name) => device.record(seq, { incarnation, name }))),
  ),
)
const record = fc.constantFrom(...RECORDS)
const table: fc.Arbitrary<Table> = fc
  .array(record, { maxLength: 12 })
  .map((records) =>
    records.reduce<Table>(
      (sum, newest) => mergeTables(sum, new Map([[newest.record.peer, { kind: 'record', newest }]])),
      new Map(),
    ),
  )

/** A table without what has no meaning: how its values came about. */
function plain(table: Table): readonly (readonly [NodeId, readonly string[]])[] {
  return [...table]
    .map(([peer, slot]) => [peer, recordsOf(slot).map(({ id }) => id)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

function plainRegistry(registry: Registry) {
  return DEVICES.map(({ peer }) => {
    const slot: Slot | undefined = registry.table.slotOf(peer)
    return [registry.table.get(peer) !== undefined, slot === undefined ? [] : recordsOf(slot).map(({ id }) => id)]
  })
}

describe('merging tables', () => {
  it('is commutative, associative and idempotent', () => {
    fc.assert(
      fc.property(table, table, table, (a, b, c) => {
        assert.deepEqual(plain(mergeTables(a, b)), plain(mergeTables(b, a)))
        assert.deepEqual(plain(mergeTables(mergeTables(a, b), c)), plain(mergeTables(a, mergeTables(b, c))))
        assert.deepEqual(plain(mergeTables(a, a)), plain(a))
      }),
      { numRuns: 500 },
    )
  })

  it('never goes back to an earlier record', () => {
    fc.assert(
      fc.property(table, table, (a, b) => {
        const merged = mergeTables(a, b)
        assert.deepEqual(plain(mergeTables(merged, a)), plain(merged))
        assert.deepEqual(plain(mergeTables(merged, b)), plain(merged))
      }),
    )
  })
})

describe('a registry', () => {
  it('ends the same whatever the order in which records and proofs arrive, and however often', () => {
    fc.assert(
      fc.property(
        fc
          .array(record, { minLength: 1, maxLength: 10 })
          .chain((records) =>
            fc.tuple(
              fc.constant(records),
              fc.shuffledSubarray([...records, ...records], { minLength: records.length * 2 }),
            ),
          ),
        ([records, shuffled]) => {
          const [first, second] = [testRegistry(), testRegistry()]
          for (const { bytes } of records) first.receiveRecord(bytes, arrival())
          for (const { bytes } of shuffled) second.receiveRecord(bytes, arrival())
          assert.deepEqual(plainRegistry(first), plainRegistry(second))
          assert.deepEqual(first.table.digest.root(), second.table.digest.root())
        },
      ),
      { numRuns: 150 },
    )
  })

  it('holds what merging the records gives', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 10 }), (records) => {
        const registry = testRegistry()
        let expected: Table = new Map()
        for (const newest of records) {
          registry.receiveRecord(newest.bytes, arrival())
          expected = mergeTables(expected, new Map([[newest.record.peer, { kind: 'record', newest }]]))
        }
        for (const { peer } of DEVICES) {
          const [held, wanted] = [registry.table.slotOf(peer), expected.get(peer)]
          assert.deepEqual(held && recordsOf(held).map(({ id }) => id), wanted && recordsOf(wanted).map(({ id }) => id))
          assert.equal(registry.table.get(peer) !== undefined, wanted?.kind === 'record')
        }
      }),
      { numRuns: 150 },
    )
  })
})

describe('equivocation', () => {
  const device = nth(DEVICES, 0)
  const [a, b, c] = ['a', 'b', 'c'].map((name) => device.record(5, { name })) as [
    SignedRecord,
    SignedRecord,
    SignedRecord,
  ]
  const conflict = mergeSlots({ kind: 'record', newest: a }, { kind: 'record', newest: b })

  it('drops both records and proves itself to anybody', () => {
    const registry = testRegistry()
    registry.receiveRecord(a.bytes, arrival())
    const outcome = registry.receiveRecord(b.bytes, arrival())
    assert.equal(outcome.kind, 'equivocation')
    assert.equal(registry.table.get(device.peer), undefined)
    if (outcome.kind !== 'equivocation') return
    const stranger = testRegistry()
    stranger.receiveRecord(a.bytes, arrival())
    assert.equal(stranger.receiveProof(outcome.proof, arrival()).kind, 'equivocation')
    assert.equal(stranger.table.get(device.peer), undefined)
    assert.equal(stranger.receiveRecord(b.bytes, arrival()).kind, 'duplicate')
    assert.deepEqual(stranger.table.digest.root(), registry.table.digest.root())
  })

  it('is over with the next record', () => {
    const registry = testRegistry()
    registry.receiveRecord(a.bytes, arrival())
    registry.receiveRecord(b.bytes, arrival())
    assert.equal(registry.receiveRecord(device.record(6).bytes, arrival()).kind, 'listed')
    assert.equal(registry.table.get(device.peer)?.record.seq, 6)
  })

  it('cannot be made up', () => {
    assert.ok(conflict.kind === 'equivocation')
    assert.equal(checkProof(scheme, encodeProof(conflict)).kind, 'ok')
    const [x, y] = conflict.records
    const wrong = [
      [x, x],
      [y, x],
      [x, device.record(6)],
      [x, new TestDevice(1).record(5)],
    ] as const
    for (const records of wrong) {
      assert.equal(checkProof(scheme, encodeProof({ kind: 'equivocation', records })).kind, 'malformed')
    }
    assert.notEqual(checkProof(scheme, withFlippedByte(encodeProof(conflict), -1)).kind, 'ok')
  })

  it('of three records keeps the same two everywhere', () => {
    const slots = [a, b, c].map((newest): Slot => ({ kind: 'record', newest }))
    const expected = [a, b, c]
      .map(({ id }) => id)
      .sort()
      .slice(0, 2)
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 2, 0],
    ]) {
      const merged = order.map((index) => nth(slots, index)).reduce(mergeSlots)
      assert.deepEqual(
        recordsOf(merged).map(({ id }) => id),
        expected,
      )
    }
  })
})
