/** An account's word that a device is no longer one of its machines, or that its certificates up to a serial count no more. */
import type { AccountId, NodeId, UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import { accountBytesOf, accountOfBytes, ID_BYTES } from './account-id.ts'
import { type CanonicalMap, decodeCanonical, encodeCanonical } from './canonical.ts'
import { PUBLIC_KEY_BYTES, type PublicKey, parsePublicKey } from './ed25519-rules.ts'
import { FieldReader, fieldsOf } from './field-reader.ts'
import { peerIdOf, publicKeyOf } from './peer-id.ts'
import type { Checked } from './refusal.ts'
import { encodeSigned, type SignedValue, type SigningKey, signValue } from './signed-value.ts'

const VERSION = 1
/** version, account (32 bytes), the account key that signs (32), device key (32), last serial revoked, time in ms since 1970, reason. */
const KEY = { account: 1, accountKey: 2, deviceKey: 3, throughSerial: 4, revokedAt: 5, reason: 6 } as const

/** Revokes every certificate that a device has or will ever get. */
export const ALL_SERIALS = Number.MAX_SAFE_INTEGER

export const REVOCATION_REASONS = ['unspecified', 'lost', 'stolen', 'retired'] as const
export type RevocationReason = (typeof REVOCATION_REASONS)[number]

/** There is no way back: of two revocations of one device the one with the higher serial counts. */
export interface Revocation {
  readonly account: AccountId
  readonly accountKey: PublicKey
  readonly device: NodeId
  /** Certificates with this serial or a lower one count no more. */
  readonly throughSerial: number
  /** Shown to people; decides nothing. */
  readonly revokedAt: UnixMs
  /** Index into `REVOCATION_REASONS`; later versions may have more. */
  readonly reasonCode: number
  readonly extensions: CanonicalMap
}

/** @returns the encoded signed value */
export function issueRevocation(accountKey: SigningKey, revocation: Omit<Revocation, 'accountKey'>): Uint8Array {
  const fields = fieldsOf(
    {
      0: VERSION,
      [KEY.account]: accountBytesOf(revocation.account),
      [KEY.accountKey]: accountKey.publicKey,
      [KEY.deviceKey]: publicKeyOf(revocation.device),
      [KEY.throughSerial]: revocation.throughSerial,
      [KEY.revokedAt]: revocation.revokedAt,
      [KEY.reason]: revocation.reasonCode,
    },
    revocation.extensions,
  )
  return encodeSigned(signValue('revocation', encodeCanonical(fields), [accountKey]))
}

/** Reads the untrusted payload of a revocation; its signature must be `accountKey`'s. */
export function readRevocation({ payload }: SignedValue<'revocation'>): Checked<Revocation> {
  const decoded = decodeCanonical(payload, { maxBytes: limit('statementBytes') })
  if (decoded.kind !== 'ok') return decoded
  const reader = new FieldReader(decoded.value)
  reader.version(VERSION)
  const account = accountOfBytes(reader.bytes(KEY.account, ID_BYTES))
  const accountKey = reader.parsed(KEY.accountKey, PUBLIC_KEY_BYTES, parsePublicKey, 'a public key')
  const deviceKey = reader.parsed(KEY.deviceKey, PUBLIC_KEY_BYTES, parsePublicKey, 'a public key')
  const throughSerial = reader.uint(KEY.throughSerial)
  const revokedAt = reader.time(KEY.revokedAt)
  const reasonCode = reader.uint(KEY.reason)
  return reader.finish((extensions) =>
    accountKey === undefined || deviceKey === undefined
      ? undefined
      : { account, accountKey, device: peerIdOf(deviceKey), throughSerial, revokedAt, reasonCode, extensions },
  )
}

export function revocationReasonOf(reasonCode: number): RevocationReason {
  return REVOCATION_REASONS[reasonCode] ?? 'unspecified'
}
