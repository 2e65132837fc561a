/** What the admin API and `heddle identity` say of this machine's identity: account, device, certificates, revoked devices. */
import { z } from 'zod'
import { REVOCATION_REASONS } from '../identity/revocation.ts'
import { Timestamp } from './admin.ts'

export const CertificateState = z.object({
  roles: z.array(z.string()),
  serial: z.number(),
  notBefore: Timestamp,
  expiresAt: Timestamp,
  /** `valid`, or why it does not count. */
  state: z.string(),
  /** The state in words; empty where it is valid. */
  reason: z.string(),
})

/** `GET /api/v1/identity`. */
export const IdentityDocument = z
  .object({
    schema: z.literal('heddle.identity/v1'),
    account: z.string(),
    /** Where the account's key is: in a file, in a file under a passphrase, or not on this machine. */
    accountKey: z.enum(['here', 'sealed', 'absent']),
    accountRotations: z.int().nonnegative(),
    device: z.string(),
    /** SHA-256 of the device key, lower-case hex. */
    fingerprint: z.string(),
    /** Null before the first start. */
    certificate: CertificateState.nullable(),
    endedDevices: z.int().nonnegative(),
  })
  .meta({ id: 'Identity' })
export type IdentityDocument = z.infer<typeof IdentityDocument>

export const DeviceDocument = z.object({
  device: z.string(),
  isThisDevice: z.boolean(),
  /** The newest that is known; null for a device that only its end is known of. */
  certificate: CertificateState.nullable(),
  /** Null for a device in use. */
  end: z
    .object({
      endedAt: Timestamp,
      /** `rotated` where the machine has a new key. */
      reason: z.enum([...REVOCATION_REASONS, 'rotated']),
      successor: z.string().nullable(),
    })
    .nullable(),
})
export type DeviceDocument = z.infer<typeof DeviceDocument>

/** `GET /api/v1/identity/devices`: this machine first. */
export const DeviceList = z
  .object({ schema: z.literal('heddle.devices/v1'), devices: z.array(DeviceDocument) })
  .meta({ id: 'DeviceList' })
export type DeviceList = z.infer<typeof DeviceList>

/** `POST /api/v1/identity/devices/{device}/revoke`. */
export const RevokeDevice = z
  .strictObject({ reason: z.enum(REVOCATION_REASONS).default('unspecified') })
  .meta({ id: 'RevokeDevice' })
export type RevokeDevice = z.infer<typeof RevokeDevice>

/** What was signed for the account. */
export const SignedActionDocument = z
  .object({
    schema: z.literal('heddle.signed/v1'),
    account: z.string(),
    device: z.string(),
    /** False where it had been said before. */
    isNew: z.boolean(),
  })
  .meta({ id: 'SignedAction' })
export type SignedActionDocument = z.infer<typeof SignedActionDocument>
