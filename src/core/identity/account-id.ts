/** An account's id: the SHA-256 of its first public key. Later keys of the account keep it. */
import type { AccountId } from '../ids.ts'
import { hexOf, parseHex } from './bytes.ts'
import type { PublicKey } from './ed25519-rules.ts'
import type { SignatureScheme } from './signed-value.ts'

export const ID_BYTES = 32

export function accountIdOf(scheme: Pick<SignatureScheme, 'sha256'>, firstKey: PublicKey): AccountId {
  return hexOf(scheme.sha256(firstKey)) as AccountId
}

/** Parses an untrusted account id: 64 lower-case hexadecimal digits. */
export function parseAccountId(text: string): AccountId | undefined {
  return /^[0-9a-f]{64}$/.test(text) ? (text as AccountId) : undefined
}

/** The 32 bytes of an id, as it stands in signed values. */
export function accountBytesOf(account: AccountId): Uint8Array {
  const bytes = parseHex(account)
  if (bytes?.length !== ID_BYTES) throw new RangeError('not an account id')
  return bytes
}

/** An id from its 32 bytes. */
export function accountOfBytes(bytes: Uint8Array): AccountId {
  return hexOf(bytes) as AccountId
}
