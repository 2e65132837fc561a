/** The certificate of this machine: made by its account's key, and looked at where it is stored. */
import type { AccountBook } from '../core/identity/account-book.ts'
import { type DeviceCertificate, issueDeviceCertificate } from '../core/identity/device-certificate.ts'
import type { Checked } from '../core/identity/refusal.ts'
import type { RoleMask } from '../core/identity/roles.ts'
import type { SigningKey } from '../core/identity/signed-value.ts'
import { type AccountId, asUnixMs, type NodeId, type UnixMs } from '../core/ids.ts'
import { limit } from '../core/limits.ts'
import type { Clock } from '../ports/clock.ts'
import type { IdentityStore } from '../ports/identity-store.ts'
import type { KeySource, Verifier } from '../ports/signer.ts'

/** What everything about this machine's identity needs. */
export interface IdentityDeps {
  readonly store: IdentityStore
  readonly keys: KeySource
  readonly verifier: Verifier
  /** Holds at least the statements of the store. */
  readonly book: AccountBook
  readonly clock: Pick<Clock, 'now'>
}

/** A certificate for `device` from now on; its serial is above `lastSerial`. */
export function certify(
  accountKey: SigningKey,
  subject: { readonly account: AccountId; readonly device: NodeId; readonly roles: RoleMask },
  { now, lastSerial }: { readonly now: UnixMs; readonly lastSerial: number },
): Uint8Array {
  return issueDeviceCertificate(accountKey, {
    ...subject,
    notBefore: now,
    expiresAt: asUnixMs(now + limit('certificateMs')),
    serial: Math.max(now, lastSerial + 1),
    extensions: new Map(),
  })
}

export interface StoredCertificate {
  readonly bytes: Uint8Array
  readonly checked: Checked<DeviceCertificate>
}

/** The stored certificate of `device`, with what is to be said of it now. */
export async function storedCertificate(
  { store, book, clock }: Pick<IdentityDeps, 'store' | 'book' | 'clock'>,
  device: NodeId,
): Promise<StoredCertificate | undefined> {
  const bytes = await store.readCertificate(device)
  return bytes && { bytes, checked: book.checkCertificate(bytes, { now: clock.now(), device }) }
}
