/** Every reason for which a signed value is not believed, as values; and how people are told. */
import type { UnixMs } from '../ids.ts'
import { unreachable } from '../ids.ts'

export interface Ok<T> {
  readonly kind: 'ok'
  readonly value: T
}

/** The bytes are no such value at all. `reason` is constant text and quotes nothing of them. */
export interface Malformed {
  readonly kind: 'malformed'
  readonly reason: string
}

export type IdentityRefusal =
  | Malformed
  | { readonly kind: 'unsupported_version'; readonly found: number; readonly supported: number }
  | { readonly kind: 'bad_signature' }
  | { readonly kind: 'expired'; readonly expiredAt: UnixMs; readonly now: UnixMs }
  | { readonly kind: 'not_yet_valid'; readonly validFrom: UnixMs; readonly now: UnixMs }
  | { readonly kind: 'wrong_account'; readonly expected: string; readonly found: string }
  | { readonly kind: 'wrong_device'; readonly expected: string; readonly found: string }
  | { readonly kind: 'wrong_network'; readonly expected: string; readonly found: string }
  | { readonly kind: 'missing_role'; readonly role: string }
  /** The account revoked the device, or its certificates up to a serial. */
  | { readonly kind: 'revoked'; readonly revokedAt: UnixMs }
  /** Signed by a key that the account has replaced since. */
  | { readonly kind: 'superseded' }
  /** Signed by a key that is not known to be the account's: its rotations may still be on their way. */
  | { readonly kind: 'unknown_account_key' }
  /** The account's key signed two different successors; none of its keys is believed any more. */
  | { readonly kind: 'forked' }
  /** A bound of `core/limits.ts` is reached. */
  | { readonly kind: 'full'; readonly what: 'accounts' | 'revocations' | 'rotations' }

/** What a check of untrusted bytes comes to. */
export type Checked<T> = Ok<T> | IdentityRefusal

export const ok = <T>(value: T): Ok<T> => ({ kind: 'ok', value })
export const malformed = (reason: string): Malformed => ({ kind: 'malformed', reason })

/** One sentence without a full stop; names ids, never keys. */
export function refusalText(refusal: IdentityRefusal): string {
  switch (refusal.kind) {
    case 'malformed':
      return `it cannot be read: ${refusal.reason}`
    case 'unsupported_version':
      return `it has version ${refusal.found}, this program reads version ${refusal.supported}`
    case 'bad_signature':
      return 'its signature is wrong'
    case 'expired':
      return `it ended ${durationText(refusal.now - refusal.expiredAt)} ago by this machine’s clock`
    case 'not_yet_valid':
      return `it begins in ${durationText(refusal.validFrom - refusal.now)} by this machine’s clock; one of the two clocks is wrong`
    case 'wrong_account':
      return `it belongs to account ${refusal.found}, not ${refusal.expected}`
    case 'wrong_device':
      return `it belongs to device ${refusal.found}, not ${refusal.expected}`
    case 'wrong_network':
      return `it belongs to network ${refusal.found}, not ${refusal.expected}`
    case 'missing_role':
      return `it does not allow the role ${refusal.role}`
    case 'revoked':
      return 'its account revoked the device'
    case 'superseded':
      return 'it was signed by a key that its account has replaced'
    case 'unknown_account_key':
      return 'it was signed by a key that is not known to be its account’s'
    case 'forked':
      return 'the key of its account signed two different successors, so none is believed'
    case 'full':
      return `no more ${refusal.what} are held`
    default:
      return unreachable(refusal)
  }
}

function durationText(durationMs: number): string {
  const minutes = Math.round(durationMs / 60_000)
  if (minutes < 120) return `${minutes} min`
  const hours = Math.round(minutes / 60)
  return hours < 48 ? `${hours} h` : `${Math.round(hours / 24)} days`
}
