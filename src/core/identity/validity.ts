/** The time in which a certificate counts, judged with tolerance for clocks that are wrong. */
import type { UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import type { IdentityRefusal } from './refusal.ts'

export interface Validity {
  readonly notBefore: UnixMs
  /** The first moment at which it counts no more. */
  readonly expiresAt: UnixMs
}

/** Why a certificate does not count at `now`; both ends are 15 minutes wider than written (`clockToleranceMs`). */
export function validityRefusal({ notBefore, expiresAt }: Validity, now: UnixMs): IdentityRefusal | undefined {
  const tolerance = limit('clockToleranceMs')
  if (now < notBefore - tolerance) return { kind: 'not_yet_valid', validFrom: notBefore, now }
  if (now >= expiresAt + tolerance) return { kind: 'expired', expiredAt: expiresAt, now }
  return undefined
}

/** What is wrong with the two times themselves; undefined where they make sense. */
export function validityProblem({ notBefore, expiresAt }: Validity): string | undefined {
  if (expiresAt <= notBefore) return 'it ends before it begins'
  return expiresAt - notBefore > limit('certificateMaxMs') ? 'it would live too long' : undefined
}

/** Whether a certificate should be replaced by a new one now. */
export function isRenewalDue({ expiresAt }: Validity, now: UnixMs): boolean {
  return now >= expiresAt - limit('certificateRenewMs')
}
