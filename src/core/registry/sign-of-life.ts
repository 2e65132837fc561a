/** Whether something signed proves that its author lives now. */

/*
 * An old record or beat is as well signed as a new one, so who repeats it must not make a node that is gone look alive
 * to one that does not remember it (docs/decisions/0010-replayed-records.md).
 */
import { asUnixMs, type MonotonicMs, type NodeId, type UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import type { Arrival } from './outcome.ts'
import type { RegistryEntry } from './registry-table.ts'

/** What an author said, by its own clock. */
export interface Word {
  readonly author: NodeId
  readonly saidAt: UnixMs
}

export interface HeardWord extends Word {
  /** By our clock. */
  readonly heardAt: MonotonicMs
}

/**
 * True where its author itself brought it; where the author's clock agrees with ours about when it was said; or, of an author whose
 * clock is wrong, where as much time passed between its last two words as between the hearing of them.
 */
export function isSignOfLife({ author, saidAt }: Word, before: HeardWord | undefined, arrival: Arrival): boolean {
  const { now, at, source, from, idleMs } = arrival
  if (source === 'disk') return false
  if (from === author) return true
  if (Math.abs(now - idleMs - saidAt) <= limit('freshClockMs')) return true
  if (before === undefined) return false
  const heardApartMs = at - idleMs - before.heardAt
  const saidApartMs = saidAt - before.saidAt
  return heardApartMs >= limit('paceLeastMs') && Math.abs(heardApartMs - saidApartMs) <= limit('paceToleranceMs')
}

/** The newest that a listed node said. */
export function lastWordOf({ record, beat, heardAt }: RegistryEntry): HeardWord {
  const saidAt = asUnixMs(Math.max(record.signedAt, beat?.beat.sentAt ?? 0))
  return { author: record.peer, saidAt, heardAt }
}
