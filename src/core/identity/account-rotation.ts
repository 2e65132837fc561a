/** An account's change to a new key, signed by the old key and the new one. The account keeps its id. */
import type { AccountId, UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import { accountBytesOf, accountOfBytes, ID_BYTES } from './account-id.ts'
import { type CanonicalMap, decodeCanonical, encodeCanonical } from './canonical.ts'
import { PUBLIC_KEY_BYTES, type PublicKey, parsePublicKey } from './ed25519-rules.ts'
import { FieldReader, fieldsOf } from './field-reader.ts'
import type { Checked } from './refusal.ts'
import { encodeSigned, type SignedValue, type SigningKey, signValue } from './signed-value.ts'

const VERSION = 1
/** version, account (32 bytes), number (1 for the first), old key (32), new key (32), time in ms since 1970. */
const KEY = { account: 1, number: 2, oldKey: 3, newKey: 4, rotatedAt: 5 } as const

export interface AccountRotation {
  readonly account: AccountId
  /** 1 for the successor of the first key, 2 for the next. Two different rotations of one number are a fork. */
  readonly number: number
  readonly oldKey: PublicKey
  readonly newKey: PublicKey
  /** Shown to people; decides nothing. */
  readonly rotatedAt: UnixMs
  readonly extensions: CanonicalMap
}

/** @returns the encoded signed value; its signatures are those of the old key and the new one */
export function issueAccountRotation(
  keys: { readonly oldKey: SigningKey; readonly newKey: SigningKey },
  rotation: Pick<AccountRotation, 'account' | 'number' | 'rotatedAt' | 'extensions'>,
): Uint8Array {
  const fields = fieldsOf(
    {
      0: VERSION,
      [KEY.account]: accountBytesOf(rotation.account),
      [KEY.number]: rotation.number,
      [KEY.oldKey]: keys.oldKey.publicKey,
      [KEY.newKey]: keys.newKey.publicKey,
      [KEY.rotatedAt]: rotation.rotatedAt,
    },
    rotation.extensions,
  )
  return encodeSigned(signValue('account-rotation', encodeCanonical(fields), [keys.oldKey, keys.newKey]))
}

/** Reads the untrusted payload of a rotation; the signatures must be those of `oldKey` and `newKey`. */
export function readAccountRotation({ payload }: SignedValue<'account-rotation'>): Checked<AccountRotation> {
  const decoded = decodeCanonical(payload, { maxBytes: limit('statementBytes') })
  if (decoded.kind !== 'ok') return decoded
  const reader = new FieldReader(decoded.value)
  reader.version(VERSION)
  const account = accountOfBytes(reader.bytes(KEY.account, ID_BYTES))
  const number = reader.uint(KEY.number)
  const oldKey = reader.parsed(KEY.oldKey, PUBLIC_KEY_BYTES, parsePublicKey, 'a public key')
  const newKey = reader.parsed(KEY.newKey, PUBLIC_KEY_BYTES, parsePublicKey, 'a public key')
  const rotatedAt = reader.time(KEY.rotatedAt)
  if (number === 0) reader.refuse('the first rotation has number 1')
  return reader.finish((extensions) =>
    oldKey === undefined || newKey === undefined
      ? undefined
      : { account, number, oldKey, newKey, rotatedAt, extensions },
  )
}
