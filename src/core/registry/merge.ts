/** How two views of one node's record become one. A join of a semilattice: commutative, associative, idempotent. */
import type { NodeId } from '../ids.ts'
import { comparePositions, type Position, type SignedRecord } from './node-record.ts'

/**
 * What is known of one author: its newest record, or the proof that it signed two different ones with the newest number.
 * A proof counts for its number only: the author's next record takes its place, whatever the order in which they arrive.
 */
export type Slot =
  | { readonly kind: 'record'; readonly newest: SignedRecord }
  /** Ids ascending; of more than two the two smallest, so that everybody keeps the same. */
  | { readonly kind: 'equivocation'; readonly records: readonly [SignedRecord, SignedRecord] }

export type Table = ReadonlyMap<NodeId, Slot>

export function positionOf(slot: Slot): Position {
  return recordsOf(slot)[0].record
}

export function recordsOf(slot: Slot): readonly [SignedRecord, ...SignedRecord[]] {
  return slot.kind === 'record' ? [slot.newest] : slot.records
}

/** Joins two slots of the same author. */
export function mergeSlots(a: Slot, b: Slot): Slot {
  const order = comparePositions(positionOf(a), positionOf(b))
  if (order !== 0) return order > 0 ? a : b
  const byId = new Map([...recordsOf(b), ...recordsOf(a)].map((record) => [record.id, record]))
  if (byId.size === recordsOf(a).length && recordsOf(a).every(({ id }) => byId.has(id))) return a
  const [first, second] = [...byId.values()].sort((x, y) => (x.id < y.id ? -1 : 1))
  // Two slots that differ hold at least two records.
  if (first === undefined || second === undefined) return a
  return { kind: 'equivocation', records: [first, second] }
}

/** Joins two whole tables. */
export function mergeTables(a: Table, b: Table): Table {
  const merged = new Map(a)
  for (const [peer, slot] of b) {
    const known = merged.get(peer)
    merged.set(peer, known === undefined ? slot : mergeSlots(known, slot))
  }
  return merged
}
