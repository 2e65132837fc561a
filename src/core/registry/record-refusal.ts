/** Every reason for which a record, beat or proof is not taken into the registry, as values. */
import type { IdentityRefusal } from '../identity/refusal.ts'

/** Said of the bytes themselves: whoever sent them is at fault. */
export type ParseRefusal = Extract<
  IdentityRefusal,
  { readonly kind: 'malformed' | 'unsupported_version' | 'bad_signature' }
>

/** Said of a sound value that this node does not take now. */
export type AdmissionRefusal =
  /** Another network's. */
  | { readonly kind: 'wrong_network'; readonly expected: string; readonly found: string }
  /** Signed in the future by our clock; `skewMs` is how far. */
  | { readonly kind: 'clock_ahead'; readonly skewMs: number }
  /** Signed so long ago that its author must have signed another since, or a clock is wrong. */
  | { readonly kind: 'too_old'; readonly ageMs: number }
  /** The certificate, a revocation or the network's policy speaks against it; `reason` for people. */
  | { readonly kind: 'not_admitted'; readonly reason: string }
  | { readonly kind: 'full'; readonly what: 'registry' | 'block' | 'unaddressed' }

export type RecordRefusal = ParseRefusal | AdmissionRefusal

/** Whether the sender broke the rules, rather than its clock, network or our table being in the way. */
export function isSendersFault(refusal: RecordRefusal): boolean {
  return refusal.kind === 'malformed' || refusal.kind === 'bad_signature'
}
