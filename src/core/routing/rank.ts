/** Which of two candidates is better: a first simple score of place, load and distance. */
import type { Candidate } from './candidate.ts'

/** Why a candidate comes before the next: here with room, less to do, or a shorter way. */
export type RankReason = 'local' | 'least-busy' | 'nearest'

/** What ranks a candidate, of a model or of a service. */
export type Ranked = Pick<Candidate, 'connector' | 'inFlight' | 'capacity' | 'rttMs'>

/** What a candidate is judged by, read once: loads change while they are compared. */
export interface Rank {
  /** A local candidate that is full waits like any other, so it goes first only while it has room. */
  readonly isHere: boolean
  /** Requests in flight per request that it can work on at once. */
  readonly busyness: number
  /** Milliseconds; infinite where nothing was measured. */
  readonly rttMs: number
}

export function rankOf({ connector, inFlight, capacity, rttMs }: Ranked): Rank {
  const room = Math.max(1, capacity)
  return {
    isHere: connector === 'local' && inFlight < room,
    busyness: inFlight / room,
    rttMs: rttMs ?? Number.POSITIVE_INFINITY,
  }
}

/** Negative where `a` is better, positive where `b` is, 0 where neither. */
export function compareRanks(a: Rank, b: Rank): number {
  if (a.isHere !== b.isHere) return a.isHere ? -1 : 1
  if (a.busyness !== b.busyness) return a.busyness - b.busyness
  return a.rttMs === b.rttMs ? 0 : a.rttMs - b.rttMs
}

/** What put `best` before `next`; of two that are equal, neither has more to do. */
export function rankReason(best: Rank, next: Rank): RankReason {
  if (best.isHere !== next.isHere) return 'local'
  return best.busyness === next.busyness && best.rttMs !== next.rttMs ? 'nearest' : 'least-busy'
}
