/** A machine's change to a new device key, signed by the old key, the new key and the account: whoever knew the old peer knows the new one. */
import type { AccountId, NodeId, UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import { accountBytesOf, accountOfBytes, ID_BYTES } from './account-id.ts'
import { type CanonicalMap, decodeCanonical, encodeCanonical } from './canonical.ts'
import { PUBLIC_KEY_BYTES, type PublicKey, parsePublicKey } from './ed25519-rules.ts'
import { FieldReader, fieldsOf } from './field-reader.ts'
import { peerIdOf } from './peer-id.ts'
import type { Checked } from './refusal.ts'
import { encodeSigned, type SignedValue, type SigningKey, signValue } from './signed-value.ts'

const VERSION = 1
/** version, account (32 bytes), account key (32), old device key (32), new device key (32), time in ms since 1970. */
const KEY = { account: 1, accountKey: 2, oldKey: 3, newKey: 4, rotatedAt: 5 } as const

/** Also revokes every certificate of the old device. */
export interface DeviceRotation {
  readonly account: AccountId
  readonly accountKey: PublicKey
  readonly device: NodeId
  readonly newDevice: NodeId
  /** Shown to people; decides nothing. */
  readonly rotatedAt: UnixMs
  readonly extensions: CanonicalMap
}

export interface DeviceRotationKeys {
  readonly oldDevice: SigningKey
  readonly newDevice: SigningKey
  readonly account: SigningKey
}

/** @returns the encoded signed value; its signatures are those of the old device, the new device and the account, in this order */
export function issueDeviceRotation(
  keys: DeviceRotationKeys,
  rotation: Pick<DeviceRotation, 'account' | 'rotatedAt' | 'extensions'>,
): Uint8Array {
  const fields = fieldsOf(
    {
      0: VERSION,
      [KEY.account]: accountBytesOf(rotation.account),
      [KEY.accountKey]: keys.account.publicKey,
      [KEY.oldKey]: keys.oldDevice.publicKey,
      [KEY.newKey]: keys.newDevice.publicKey,
      [KEY.rotatedAt]: rotation.rotatedAt,
    },
    rotation.extensions,
  )
  const signers = [keys.oldDevice, keys.newDevice, keys.account]
  return encodeSigned(signValue('device-rotation', encodeCanonical(fields), signers))
}

/** Reads the untrusted payload of a rotation; the signatures must be those of `device`, `newDevice` and `accountKey`. */
export function readDeviceRotation({ payload }: SignedValue<'device-rotation'>): Checked<DeviceRotation> {
  const decoded = decodeCanonical(payload, { maxBytes: limit('statementBytes') })
  if (decoded.kind !== 'ok') return decoded
  const reader = new FieldReader(decoded.value)
  reader.version(VERSION)
  const account = accountOfBytes(reader.bytes(KEY.account, ID_BYTES))
  const accountKey = reader.parsed(KEY.accountKey, PUBLIC_KEY_BYTES, parsePublicKey, 'a public key')
  const oldKey = reader.parsed(KEY.oldKey, PUBLIC_KEY_BYTES, parsePublicKey, 'a public key')
  const newKey = reader.parsed(KEY.newKey, PUBLIC_KEY_BYTES, parsePublicKey, 'a public key')
  const rotatedAt = reader.time(KEY.rotatedAt)
  return reader.finish((extensions) => {
    if (accountKey === undefined || oldKey === undefined || newKey === undefined) return undefined
    return { account, accountKey, device: peerIdOf(oldKey), newDevice: peerIdOf(newKey), rotatedAt, extensions }
  })
}
