/** What two registries must exchange to become equal, given what the other side holds in some buckets. */
import type { PublicKey } from '../identity/ed25519-rules.ts'
import type { MonotonicMs, NodeId } from '../ids.ts'
import { limit } from '../limits.ts'
import { bucketOf } from './digest.ts'
import { encodeProof } from './equivocation.ts'
import { positionOf, recordsOf } from './merge.ts'
import { comparePositions, type SignedRecord } from './node-record.ts'
import type { GoneNode, RegistryEntry, RegistryTable } from './registry-table.ts'
import { type Have, ID_PREFIX_BYTES, itemBytes, type SyncItem } from './sync-messages.ts'

export interface Difference {
  /** What the other side lacks. */
  readonly items: readonly SyncItem[]
  /** Whose records we lack. */
  readonly wants: readonly PublicKey[]
  /** How many of the buckets, in their order, this covers in full. */
  readonly covered: number
}

/** What we hold in a bucket: one line a live node, two for a proof. */
export function havesIn(table: RegistryTable, bucket: number): readonly Have[] {
  return [...table.digest.peersIn(bucket)].flatMap((peer) => {
    const entry = table.get(peer)
    if (entry !== undefined) return [haveOf(entry.signed, entry.beat?.beat.number ?? 0)]
    const gone = table.gone(peer)
    return gone === undefined ? [] : recordsOf(gone.slot).map((signed) => haveOf(signed, 0))
  })
}

/** Compares `haves` of the other side with what we hold in the same buckets; stops when the items reach `mostBytes`. */
export function differenceIn(
  table: RegistryTable,
  buckets: readonly number[],
  haves: readonly Have[],
  { at, mostBytes }: { readonly at: MonotonicMs; readonly mostBytes: number },
): Difference {
  const theirs = new Map<NodeId, Have[]>()
  for (const have of haves) {
    const peer = table.peerOf(have.publicKey)
    const others = theirs.get(peer)
    if (others === undefined) theirs.set(peer, [have])
    else others.push(have)
  }
  const wanted = new Set(buckets)
  const wants = [...theirs.entries()]
    .filter(([, [have]]) => have !== undefined && wanted.has(bucketOf(have.publicKey)))
    .filter(([peer, held]) => isWanted(table, peer, held))
    .map(([, [have]]) => have?.publicKey)
    .filter((key) => key !== undefined)
  const theirsIn = Map.groupBy(theirs, ([, [have]]) => (have === undefined ? -1 : bucketOf(have.publicKey)))
  const items: SyncItem[] = []
  let bytes = 0
  for (const [covered, bucket] of buckets.entries()) {
    const peers = new Set([...table.digest.peersIn(bucket), ...(theirsIn.get(bucket) ?? []).map(([peer]) => peer)])
    for (const peer of peers) {
      const item = itemFor(table, peer, theirs.get(peer) ?? [], at)
      if (item === undefined) continue
      if (bytes + itemBytes(item) > mostBytes) return { items, wants, covered }
      bytes += itemBytes(item)
      items.push(item)
    }
  }
  return { items, wants, covered: buckets.length }
}

/** What we know of a node, for a side that asked for it. */
export function itemOf(table: RegistryTable, peer: NodeId, at: MonotonicMs): SyncItem | undefined {
  return itemFor(table, peer, [], at)
}

/** What to send to a side that holds `held` of `peer`; undefined where that is as good. */
function itemFor(table: RegistryTable, peer: NodeId, held: readonly Have[], at: MonotonicMs): SyncItem | undefined {
  const entry = table.get(peer)
  if (entry !== undefined) return entry.status === 'live' ? itemForEntry(entry, held, at) : undefined
  const gone = table.gone(peer)
  if (gone === undefined) return undefined
  const order = orderOf(gone.slot.kind === 'record' ? gone.slot.newest : gone.slot.records[0], held)
  if (gone.slot.kind === 'record') {
    if (held.length === 0 || order <= 0) return undefined
    // It matters only to a side that holds something older. A lease that ended here is not to begin there.
    const idleMs = gone.cause === 'left' ? 0 : limit('leaseMaxMs')
    return { kind: 'record', record: gone.slot.newest.bytes, beat: undefined, idleMs }
  }
  const knowsProof = gone.slot.records.every((record) => held.some((have) => isSame(have, record)))
  return order >= 0 && !knowsProof ? { kind: 'proof', proof: encodeProof(gone.slot) } : undefined
}

function itemForEntry(
  { signed, beat, heardAt }: RegistryEntry,
  held: readonly Have[],
  at: MonotonicMs,
): SyncItem | undefined {
  const order = orderOf(signed, held)
  if (order < 0 || (order === 0 && held.some((have) => isSame(have, signed)))) return undefined
  return { kind: 'record', record: signed.bytes, beat: beat?.bytes, idleMs: Math.max(0, Math.round(at - heardAt)) }
}

function isWanted(table: RegistryTable, peer: NodeId, held: readonly Have[]): boolean {
  const entry = table.get(peer)
  if (entry?.status === 'stale') return true
  const slot = table.slotOf(peer)
  if (slot === undefined) return true
  return held.some((have) => {
    const order = comparePositions(have, positionOf(slot))
    if (order !== 0) return order > 0
    if (!recordsOf(slot).some((record) => isSame(have, record))) return true
    const gone = table.gone(peer)
    return entry === undefined && gone !== undefined && isRevivedBy(gone, have)
  })
}

/** A node whose lease ended here while others heard of it comes back by a beat that we have not seen. */
function isRevivedBy({ cause, beatNumber }: GoneNode, have: Have): boolean {
  return cause === 'expired' && have.beatNumber > beatNumber
}

/** Positive where `signed` is newer than all that the other side holds. */
function orderOf({ record }: SignedRecord, held: readonly Have[]): number {
  return held.reduce((least, have) => Math.min(least, comparePositions(record, have)), 1)
}

function isSame(have: Have, { record, id }: SignedRecord): boolean {
  return comparePositions(have, record) === 0 && id.startsWith(have.idPrefix)
}

function haveOf({ record, id }: SignedRecord, beatNumber: number): Have {
  const { publicKey, incarnation, seq } = record
  return { publicKey, incarnation, seq, beatNumber, idPrefix: id.slice(0, ID_PREFIX_BYTES * 2) }
}
