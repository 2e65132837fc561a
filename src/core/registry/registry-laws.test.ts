/** What a registry holds does not depend on the order in which it heard things, nor on how often: records, proofs, farewells and beats. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { arrival, nth, TestDevice, testRegistry, testService } from '../../../test/support/registry-peer.ts'
import { encodeProof } from './equivocation.ts'
import { clampLease } from './lease.ts'
import { mergeSlots, recordsOf } from './merge.ts'
import { IDLE_LOAD } from './node-record.ts'
import type { Outcome } from './outcome.ts'
import type { Registry } from './registry.ts'

const DEVICES = [0, 1].map((number) => new TestDevice(800 + number))
const LEASES = [10_000, 30_000, 20 * 60_000] as const

type Event = (registry: Registry) => Outcome

/** Everything that two devices ever say: two incarnations, three records of two contents each, a farewell, beats, proofs. */
const EVENTS: readonly Event[] = DEVICES.flatMap((device) =>
  [1, 2].flatMap((incarnation) => saidIn(device, incarnation)),
)

function saidIn(device: TestDevice, incarnation: number): readonly Event[] {
  const records = [1, 2, 3].map((seq) =>
    ['one', 'two'].map((name) => {
      const services = Array.from({ length: seq === 3 ? 2 : 1 }, (_, index) => testService({ runtime: `r${index}` }))
      return device.record(seq, { incarnation, name, services, leaseMs: nth(LEASES, seq - 1) })
    }),
  )
  const beats = [1, 2, 3].flatMap((seq) =>
    [1, 2].map((of) => {
      const number = 2 * seq + of
      const load = { ...IDLE_LOAD, inFlight: number }
      const loads = seq === 3 ? [load, IDLE_LOAD] : [load]
      return device.beat(number, { incarnation, seq, loads, leaseMs: nth(LEASES, of) }).bytes
    }),
  )
  const proofs = records.map(([a, b]) => {
    if (a === undefined || b === undefined) throw new Error('two contents')
    const merged = mergeSlots({ kind: 'record', newest: a }, { kind: 'record', newest: b })
    return merged.kind === 'equivocation' ? encodeProof(merged) : new Uint8Array()
  })
  const farewell = device.record(4, { incarnation, leaseMs: 0, services: [] }).bytes
  return [
    ...records.flat().map(
      ({ bytes }): Event =>
        (registry) =>
          registry.receiveRecord(bytes, arrival()),
    ),
    (registry) => registry.receiveRecord(farewell, arrival()),
    ...beats.map(
      (bytes): Event =>
        (registry) =>
          registry.receiveBeat(bytes, arrival()),
    ),
    ...proofs.map(
      (bytes): Event =>
        (registry) =>
          registry.receiveProof(bytes, arrival()),
    ),
  ]
}

function plain({ table }: Registry) {
  const nodes = DEVICES.map(({ peer }) => {
    const [entry, slot] = [table.get(peer), table.slotOf(peer)]
    return {
      held: slot && recordsOf(slot).map(({ id }) => id),
      cause: table.gone(peer)?.cause,
      status: entry?.status,
      loads: entry?.loads,
      beat: entry?.beat?.beat.number,
    }
  })
  return { nodes, digest: table.digest.root(), live: table.live, size: table.size }
}

const events = fc.array(fc.constantFrom(...EVENTS), { minLength: 1, maxLength: 25 })
const shuffles = events.chain((said) => {
  const order = fc.shuffledSubarray([...said, ...said], { minLength: said.length * 2 })
  return fc.tuple(fc.constant(said), order)
})

/** A beat that comes before its record is heard again, as the next comparison brings it. */
function registryOf(said: readonly Event[]): Registry {
  const registry = testRegistry()
  for (let round = 0; round < 3; round += 1) for (const event of said) event(registry)
  return registry
}

describe('a registry that hears records, farewells, proofs and beats', () => {
  it('ends the same in every order (commutative, associative) and however often it hears them (idempotent)', () => {
    fc.assert(
      fc.property(shuffles, ([said, shuffled]) => {
        assert.deepEqual(plain(registryOf(said)), plain(registryOf(shuffled)))
      }),
      { numRuns: 150 },
    )
  })

  it('changes by nothing that it has heard', () => {
    fc.assert(
      fc.property(events, (said) => {
        const registry = registryOf(said)
        const before = plain(registry)
        const version = registry.table.version
        for (const event of said) {
          const { kind } = event(registry)
          assert.ok(kind !== 'listed' && kind !== 'left' && kind !== 'heard' && kind !== 'equivocation', kind)
        }
        assert.deepEqual(plain(registry), before)
        assert.equal(registry.table.version, version)
      }),
      { numRuns: 150 },
    )
  })

  it('gives no lease longer than one that its author asked for, and none shorter than its newest word did', () => {
    fc.assert(
      fc.property(shuffles, ([, said]) => {
        const { table } = registryOf(said)
        for (const { record, beat, leaseEndsAt } of table.values()) {
          assert.ok(leaseEndsAt <= clampLease(Math.max(...LEASES)))
          assert.ok(leaseEndsAt >= clampLease(record.leaseMs))
          assert.ok(leaseEndsAt >= clampLease(beat?.beat.leaseMs ?? 0))
        }
      }),
      { numRuns: 100 },
    )
  })

  it('takes two halves of what was said to the same as the whole', () => {
    fc.assert(
      fc.property(events, events, (one, other) => {
        assert.deepEqual(plain(registryOf([...one, ...other])), plain(registryOf([...other, ...one, ...other])))
      }),
      { numRuns: 100 },
    )
  })
})
