/** A device certificate: an account's word that a device key is one of its machines, with roles, for a time. */
import type { AccountId, NodeId, UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'
import { accountBytesOf, accountOfBytes, ID_BYTES } from './account-id.ts'
import { type CanonicalMap, decodeCanonical, encodeCanonical } from './canonical.ts'
import { PUBLIC_KEY_BYTES, type PublicKey, parsePublicKey } from './ed25519-rules.ts'
import { FieldReader, fieldsOf } from './field-reader.ts'
import { peerIdOf, publicKeyOf } from './peer-id.ts'
import { type Checked, ok } from './refusal.ts'
import { parseRoleMask, type RoleMask } from './roles.ts'
import {
  decodeSigned,
  encodeSigned,
  hasSignatures,
  type SignatureScheme,
  type SignedValue,
  type SigningKey,
  signValue,
} from './signed-value.ts'
import { validityProblem } from './validity.ts'

const VERSION = 1
/** version, account (32 bytes), the account key that signs (32), device key (32), roles, times in ms since 1970, serial. */
const KEY = { account: 1, accountKey: 2, deviceKey: 3, roles: 4, notBefore: 5, expiresAt: 6, serial: 7 } as const

export interface DeviceCertificate {
  readonly account: AccountId
  /** The key that signed: the account's first, or one that a rotation made its key. */
  readonly accountKey: PublicKey
  readonly device: NodeId
  readonly roles: RoleMask
  readonly notBefore: UnixMs
  readonly expiresAt: UnixMs
  /** Rises from certificate to certificate of one device, so that a revocation can name those up to one. */
  readonly serial: number
  /** Fields from key 32 on, of later versions. */
  readonly extensions: CanonicalMap
}

/** @returns the encoded signed value */
export function issueDeviceCertificate(
  accountKey: SigningKey,
  certificate: Omit<DeviceCertificate, 'accountKey'>,
): Uint8Array {
  const problem = validityProblem(certificate)
  if (problem !== undefined) throw new RangeError(`a certificate cannot be issued: ${problem}`)
  const fields = fieldsOf(
    {
      0: VERSION,
      [KEY.account]: accountBytesOf(certificate.account),
      [KEY.accountKey]: accountKey.publicKey,
      [KEY.deviceKey]: publicKeyOf(certificate.device),
      [KEY.roles]: certificate.roles,
      [KEY.notBefore]: certificate.notBefore,
      [KEY.expiresAt]: certificate.expiresAt,
      [KEY.serial]: certificate.serial,
    },
    certificate.extensions,
  )
  return encodeSigned(signValue('device-certificate', encodeCanonical(fields), [accountKey]))
}

/** Reads an untrusted certificate without checking its signature, its times or its account's history. */
export function readDeviceCertificate(
  bytes: Uint8Array,
): Checked<{ readonly certificate: DeviceCertificate; readonly signed: SignedValue<'device-certificate'> }> {
  const decoded = decodeSigned(bytes, ['device-certificate'], { maxBytes: limit('statementBytes') })
  if (decoded.kind !== 'ok') return decoded
  const payload = decodeCanonical(decoded.value.payload, { maxBytes: limit('statementBytes') })
  if (payload.kind !== 'ok') return payload
  const reader = new FieldReader(payload.value)
  reader.version(VERSION)
  const account = accountOfBytes(reader.bytes(KEY.account, ID_BYTES))
  const accountKey = reader.parsed(KEY.accountKey, PUBLIC_KEY_BYTES, parsePublicKey, 'a public key')
  const deviceKey = reader.parsed(KEY.deviceKey, PUBLIC_KEY_BYTES, parsePublicKey, 'a public key')
  const roles = parseRoleMask(reader.uint(KEY.roles))
  const times = { notBefore: reader.time(KEY.notBefore), expiresAt: reader.time(KEY.expiresAt) }
  const serial = reader.uint(KEY.serial)
  const problem = validityProblem(times)
  if (problem !== undefined) reader.refuse(problem)
  if (roles === undefined) reader.refuse('roles out of range')
  const certificate = reader.finish((extensions): DeviceCertificate | undefined =>
    accountKey === undefined || deviceKey === undefined || roles === undefined
      ? undefined
      : { account, accountKey, device: peerIdOf(deviceKey), roles, ...times, serial, extensions },
  )
  return certificate.kind === 'ok' ? ok({ certificate: certificate.value, signed: decoded.value }) : certificate
}

/**
 * Reads an untrusted certificate and checks its signature. Neither its times nor whether the signing key is the account's are looked at:
 * `AccountBook.checkCertificate` does all of it.
 */
export function verifyDeviceCertificate(scheme: SignatureScheme, bytes: Uint8Array): Checked<DeviceCertificate> {
  const read = readDeviceCertificate(bytes)
  if (read.kind !== 'ok') return read
  const { certificate, signed } = read.value
  return hasSignatures(scheme, signed, [certificate.accountKey]) ? ok(certificate) : { kind: 'bad_signature' }
}
