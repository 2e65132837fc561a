/** A membership certificate: a network key's word that a device may take part in a private network, with roles, for a time. */
import { ID_BYTES } from '../identity/account-id.ts'
import { hexOf, parseHex } from '../identity/bytes.ts'
import { type CanonicalMap, decodeCanonical, encodeCanonical } from '../identity/canonical.ts'
import { PUBLIC_KEY_BYTES, type PublicKey, parsePublicKey } from '../identity/ed25519-rules.ts'
import { FieldReader, fieldsOf } from '../identity/field-reader.ts'
import { peerIdOf, publicKeyOf } from '../identity/peer-id.ts'
import { type Checked, ok } from '../identity/refusal.ts'
import { hasRole, parseRoleMask, type Role, type RoleMask } from '../identity/roles.ts'
import {
  decodeSigned,
  encodeSigned,
  hasSignatures,
  type SignatureScheme,
  type SigningKey,
  signValue,
} from '../identity/signed-value.ts'
import { validityProblem, validityRefusal } from '../identity/validity.ts'
import type { NetworkId, NodeId, UnixMs } from '../ids.ts'
import { limit } from '../limits.ts'

const VERSION = 1
/** version, network id (32 bytes), device key (32), roles, times in ms since 1970, serial. */
const KEY = { network: 1, deviceKey: 2, roles: 3, notBefore: 4, expiresAt: 5, serial: 6 } as const

export interface Membership {
  readonly network: NetworkId
  readonly device: NodeId
  readonly roles: RoleMask
  readonly notBefore: UnixMs
  readonly expiresAt: UnixMs
  readonly serial: number
  /** Fields from key 32 on, of later versions. */
  readonly extensions: CanonicalMap
}

export interface MembershipExpectations {
  readonly now: UnixMs
  readonly network: { readonly id: NetworkId; readonly key: PublicKey }
  readonly device?: NodeId | undefined
  readonly role?: Role | undefined
}

/** @returns the encoded signed value */
export function issueMembership(networkKey: SigningKey, membership: Membership): Uint8Array {
  const problem = validityProblem(membership)
  if (problem !== undefined) throw new RangeError(`a membership cannot be issued: ${problem}`)
  const fields = fieldsOf(
    {
      0: VERSION,
      [KEY.network]: parseHex(membership.network),
      [KEY.deviceKey]: publicKeyOf(membership.device),
      [KEY.roles]: membership.roles,
      [KEY.notBefore]: membership.notBefore,
      [KEY.expiresAt]: membership.expiresAt,
      [KEY.serial]: membership.serial,
    },
    membership.extensions,
  )
  return encodeSigned(signValue('membership', encodeCanonical(fields), [networkKey]))
}

/** Checks an untrusted membership in every respect. */
export function checkMembership(
  scheme: SignatureScheme,
  bytes: Uint8Array,
  { now, network, device, role }: MembershipExpectations,
): Checked<Membership> {
  const decoded = decodeSigned(bytes, ['membership'], { maxBytes: limit('statementBytes') })
  if (decoded.kind !== 'ok') return decoded
  const read = readMembership(decoded.value.payload)
  if (read.kind !== 'ok') return read
  const membership = read.value
  if (membership.network !== network.id) {
    return { kind: 'wrong_network', expected: network.id, found: membership.network }
  }
  if (!hasSignatures(scheme, decoded.value, [network.key])) return { kind: 'bad_signature' }
  if (device !== undefined && device !== membership.device) {
    return { kind: 'wrong_device', expected: device, found: membership.device }
  }
  const refusal = validityRefusal(membership, now)
  if (refusal !== undefined) return refusal
  if (role !== undefined && !hasRole(membership.roles, role)) return { kind: 'missing_role', role }
  return ok(membership)
}

function readMembership(payload: Uint8Array): Checked<Membership> {
  const decoded = decodeCanonical(payload, { maxBytes: limit('statementBytes') })
  if (decoded.kind !== 'ok') return decoded
  const reader = new FieldReader(decoded.value)
  reader.version(VERSION)
  const network = hexOf(reader.bytes(KEY.network, ID_BYTES)) as NetworkId
  const deviceKey = reader.parsed(KEY.deviceKey, PUBLIC_KEY_BYTES, parsePublicKey, 'a public key')
  const roles = parseRoleMask(reader.uint(KEY.roles))
  const times = { notBefore: reader.time(KEY.notBefore), expiresAt: reader.time(KEY.expiresAt) }
  const serial = reader.uint(KEY.serial)
  const problem = validityProblem(times)
  if (problem !== undefined) reader.refuse(problem)
  if (roles === undefined) reader.refuse('roles out of range')
  return reader.finish((extensions) =>
    deviceKey === undefined || roles === undefined
      ? undefined
      : { network, device: peerIdOf(deviceKey), roles, ...times, serial, extensions },
  )
}
