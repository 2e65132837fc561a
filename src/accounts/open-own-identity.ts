/** This machine's identity at the start of a node: keys made where there are none, half-done rotations finished, a certificate that counts. */
import { HeddleError } from '../core/errors.ts'
import { type DeviceCertificate, readDeviceCertificate } from '../core/identity/device-certificate.ts'
import type { PublicKey } from '../core/identity/ed25519-rules.ts'
import { peerIdOf } from '../core/identity/peer-id.ts'
import { type IdentityRefusal, refusalText } from '../core/identity/refusal.ts'
import { ALL_SERIALS } from '../core/identity/revocation.ts'
import type { RoleMask } from '../core/identity/roles.ts'
import { isRenewalDue } from '../core/identity/validity.ts'
import type { AccountId, NodeId } from '../core/ids.ts'
import type { Signer } from '../ports/signer.ts'
import { certify, type IdentityDeps, type StoredCertificate, storedCertificate } from './own-certificate.ts'

export interface OwnIdentityOptions {
  /** Opens the keys where they are sealed, and seals those that are made. */
  readonly passphrase: string | undefined
  /** What the certificate shall allow this device to do. */
  readonly roles: RoleMask
}

export interface OwnCertificate {
  /** As it is sent to others. */
  readonly bytes: Uint8Array
  readonly certificate: DeviceCertificate
}

export interface OwnIdentity {
  readonly account: AccountId
  readonly device: NodeId
  /** Signs with the device key. */
  readonly signer: Signer
  /** The 32 secret bytes of the device key, for libp2p; a function, so that no log shows them by accident. */
  deviceSeed(): Uint8Array
  certificate(): OwnCertificate
  /**
   * Makes a new certificate where the present one ends within 30 days or counts no more, and says whether it did.
   * Call it now and then, for example whenever the node's record is signed.
   * @throws HeddleError `key_locked` where the account key is needed and sealed, `identity_refused` where the account revoked this device
   */
  renewIfDue(): Promise<boolean>
}

/** @throws HeddleError `key_locked`, `wrong_passphrase`, `insecure_file_mode`, `state_corrupt`, or `identity_refused` where the account disowned this device */
export async function openOwnIdentity(deps: IdentityDeps, options: OwnIdentityOptions): Promise<OwnIdentity> {
  const { store, keys, book } = deps
  book.addAll(await store.statements.read())
  await finishRotations(deps)
  const deviceSeed = await deviceSeedOf(deps, options)
  const signer = keys.signerOf(deviceSeed)
  const device = peerIdOf(signer.publicKey)
  const account = await ownAccount(deps, device, options)
  let current = await ensureCertificate(deps, { account, device }, options)
  return {
    account,
    device,
    signer,
    deviceSeed: () => deviceSeed,
    certificate: () => current,
    renewIfDue: async () => {
      const before = current
      current = await ensureCertificate(deps, { account, device }, options)
      return current.certificate.serial !== before.certificate.serial
    },
  }
}

/**
 * Brings a rotation that a crash cut short to its end. The new key takes the old one's place once the statement that says so is stored;
 * before that nobody has heard of the new key, and it is dropped.
 */
export async function finishRotations({ store, book }: IdentityDeps): Promise<void> {
  const [device, nextDevice] = [await store.describe('device'), await store.describe('next-device')]
  const [accountKey, nextAccountKey] = [await store.describe('account'), await store.describe('next-account')]
  const account = accountKey && book.accountOf(accountKey.publicKey)
  if (nextDevice !== undefined) {
    const isEnded = device && account && book.endOf(account, peerIdOf(device.publicKey), ALL_SERIALS) !== undefined
    const certificate = await store.readCertificate(peerIdOf(nextDevice.publicKey))
    await (isEnded && certificate ? store.move('next-device', 'device') : store.remove('next-device'))
  }
  if (nextAccountKey !== undefined) {
    const isNext = account && book.standingOf(account, nextAccountKey.publicKey) === 'current'
    await (isNext ? store.move('next-account', 'account') : store.remove('next-account'))
  }
}

/** A certificate for `subject` that counts now, has the wanted roles and is not about to end; made and stored where there is none. */
export async function ensureCertificate(
  deps: IdentityDeps,
  subject: { readonly account: AccountId; readonly device: NodeId },
  { passphrase, roles }: OwnIdentityOptions,
): Promise<OwnCertificate> {
  const { store, keys, book, clock } = deps
  const now = clock.now()
  const stored = await storedCertificate(deps, subject.device)
  const valid = validIn(stored, subject.account)
  if (valid !== undefined && valid.certificate.roles === roles && !isRenewalDue(valid.certificate, now)) return valid
  const key = await store.describe('account')
  // A machine whose owner keeps the account key elsewhere, or that was started without the passphrase, lives on what it has.
  if (valid !== undefined && (key === undefined || (key.isSealed && passphrase === undefined))) return valid
  const refusal = refusalToCertify(deps, subject, { key: key?.publicKey, stored })
  if (refusal !== undefined) throw disowned(refusal)
  const seed = await store.open('account', { passphrase })
  if (seed === undefined) throw disowned({ kind: 'unknown_account_key' })
  const bytes = certify(keys.signerOf(seed), { ...subject, roles }, { now, lastSerial: lastSerialOf(stored) })
  const checked = book.checkCertificate(bytes, { now, ...subject })
  if (checked.kind !== 'ok') throw disowned(checked)
  await store.writeCertificate(subject.device, bytes)
  return { bytes, certificate: checked.value }
}

/** Why no certificate can be made here that others would believe. */
function refusalToCertify(
  { book }: IdentityDeps,
  { account, device }: { readonly account: AccountId; readonly device: NodeId },
  { key, stored }: { readonly key: PublicKey | undefined; readonly stored: StoredCertificate | undefined },
): IdentityRefusal | undefined {
  if (key === undefined) {
    return stored === undefined || stored.checked.kind === 'ok' ? { kind: 'unknown_account_key' } : stored.checked
  }
  const end = book.endOf(account, device)
  // Certificates up to a serial may be revoked while the device itself stays: the new one has a higher serial.
  if (end !== undefined && (end.kind === 'device-rotation' || end.throughSerial === ALL_SERIALS)) {
    return { kind: 'revoked', revokedAt: end.kind === 'revocation' ? end.revokedAt : end.rotatedAt }
  }
  const standing = book.standingOf(account, key)
  if (standing === 'current') return undefined
  return { kind: standing === 'unknown' ? 'unknown_account_key' : standing }
}

async function deviceSeedOf({ store, keys }: IdentityDeps, { passphrase }: OwnIdentityOptions): Promise<Uint8Array> {
  const stored = await store.open('device', { passphrase })
  if (stored !== undefined) return stored
  const seed = keys.newSeed()
  await store.write('device', seed, { passphrase })
  return seed
}

/** The account of this machine: that of its key, else the one that certified it, else a new one. */
async function ownAccount(deps: IdentityDeps, device: NodeId, { passphrase }: OwnIdentityOptions): Promise<AccountId> {
  const { store, keys } = deps
  const key = await store.describe('account')
  if (key !== undefined) return deps.book.accountOf(key.publicKey)
  const certificate = await store.readCertificate(device)
  const read = certificate && readDeviceCertificate(certificate)
  if (read?.kind === 'ok') return read.value.certificate.account
  const seed = keys.newSeed()
  await store.write('account', seed, { passphrase })
  return deps.book.accountOf(keys.signerOf(seed).publicKey)
}

function validIn(stored: StoredCertificate | undefined, account: AccountId): OwnCertificate | undefined {
  if (stored?.checked.kind !== 'ok' || stored.checked.value.account !== account) return undefined
  return { bytes: stored.bytes, certificate: stored.checked.value }
}

function lastSerialOf(stored: StoredCertificate | undefined): number {
  const read = stored && readDeviceCertificate(stored.bytes)
  return read?.kind === 'ok' ? read.value.certificate.serial : 0
}

function disowned(refusal: IdentityRefusal): HeddleError {
  const fix = refusal.kind === 'revoked' ? 'heddle identity rotate-device' : 'heddle identity import <file>'
  return new HeddleError(
    'identity_refused',
    `no other node would accept this machine’s certificate: ${refusalText(refusal)}`,
    { fix },
  )
}
