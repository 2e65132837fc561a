/** How something came to the registry, and what became of it. */
import type { MonotonicMs, NodeId, UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import { clampLease } from './lease.ts'
import { isFarewell, type NodeRecord, type Position } from './node-record.ts'
import type { RecordRefusal } from './record-refusal.ts'

/** How something came to us. */
export interface Arrival {
  readonly now: UnixMs
  readonly at: MonotonicMs
  /** From its author just now, from a peer that held it, or from our own disk. */
  readonly source: 'author' | 'peer' | 'disk'
  /** The peer that brought it and proved its key, where one did. */
  readonly from?: NodeId | undefined
  /** How long ago the peer that held it had the last word of its author; shortens the lease, so that passing on never extends one. */
  readonly idleMs: number
}

/** The part of `idleMs` that counts against the lease: none of what a node brings of itself, as it lives now. */
export function silenceMs({ from, idleMs }: Arrival, author: NodeId): number {
  return from === author ? 0 : idleMs
}

export type Outcome =
  | { readonly kind: 'listed'; readonly peer: NodeId; readonly isNew: boolean }
  | { readonly kind: 'left'; readonly peer: NodeId }
  /** A sign of life; `isBehind` where its author has a newer record than we hold. */
  | { readonly kind: 'heard'; readonly peer: NodeId; readonly isBehind: boolean }
  | { readonly kind: 'equivocation'; readonly peer: NodeId; readonly proof: Uint8Array }
  /** Somebody has a newer or another record of ours: an earlier run's, a copy's, or a thief's. */
  | { readonly kind: 'own'; readonly position: Position }
  | { readonly kind: 'duplicate' }
  /** We hold a newer one. */
  | { readonly kind: 'older'; readonly peer: NodeId }
  /** A beat of a node whose record we do not hold. */
  | { readonly kind: 'unknown'; readonly peer: NodeId }
  | { readonly kind: 'refused'; readonly refusal: RecordRefusal }

/** Whether the outcome changed anything or proved a sign of life, so that others want to know it too. */
export function isNews(outcome: Outcome): boolean {
  switch (outcome.kind) {
    case 'listed':
    case 'left':
    case 'heard':
    case 'equivocation':
      return true
    case 'own':
    case 'duplicate':
    case 'older':
    case 'unknown':
    case 'refused':
      return false
    default:
      return outcome satisfies never
  }
}

/** What comes from its author just now may be off by the tolerance only; what was held may be as old as such values get. */
export function refusalByClock(madeAt: UnixMs, mostAgeMs: number, { now, source }: Arrival): RecordRefusal | undefined {
  const ageMs = now - madeAt
  if (ageMs < -limit('clockToleranceMs')) return { kind: 'clock_ahead', skewMs: -ageMs }
  const most =
    source === 'author' ? limit('clockToleranceMs') : source === 'peer' ? mostAgeMs : Number.POSITIVE_INFINITY
  return ageMs > most ? { kind: 'too_old', ageMs } : undefined
}

/** Whether the peer that held the record has not heard of its node for longer than its lease. */
export function isLeaseOver(record: NodeRecord, arrival: Arrival): boolean {
  if (arrival.source !== 'peer' || isFarewell(record)) return false
  return silenceMs(arrival, record.peer) >= clampLease(record.leaseMs)
}

export function refused(refusal: RecordRefusal): Outcome {
  return { kind: 'refused', refusal }
}
