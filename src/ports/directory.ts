/** Who can serve what, as this node knows it now. */
import type { Candidate } from '../core/routing/candidate.ts'

/**
 * Every implementation promises that `version` changes whenever anything but `inFlight` in a candidate changed,
 * and that `candidatesFor` returns current values.
 */
export interface Directory {
  /** Grows with every change; equal versions mean equal offers and states. */
  version(): number
  /** Every candidate that offers exactly this model id, ready or not. */
  candidatesFor(model: string): readonly Candidate[]
  /** Every candidate, in a stable order. */
  all(): readonly Candidate[]
}
