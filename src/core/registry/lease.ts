/** How often nodes say that they live, and how long their silence is believed. Judged by the receiver's own monotonic clock. */
import { limit } from '../limits.ts'

const MS_PER_SECOND = 1_000

/** Pause between two beats of one node among `nodes`: max(10 s, nodes / 50 s), so that the whole network sends at most 50 a second. */
export function beatIntervalMs(nodes: number): number {
  return Math.max(limit('beatIntervalMs'), Math.round((nodes * MS_PER_SECOND) / limit('beatsPerSecond')))
}

/** The lease that a node among `nodes` asks for: three intervals, as jitter and loss may delay a beat. */
export function leaseMsFor(nodes: number): number {
  return clampLease(beatIntervalMs(nodes) * limit('leaseIntervals'))
}

/** The lease that is given, whatever was asked for. */
export function clampLease(leaseMs: number): number {
  return Math.min(Math.max(leaseMs, 1), limit('leaseMaxMs'))
}

/** The oldest that a record may be: its author signs another every refresh, and either clock may be off by the tolerance. */
export function recordAgeMs(): number {
  return limit('recordRefreshMs') + limit('clockToleranceMs')
}
