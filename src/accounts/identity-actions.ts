/** What `heddle identity show`, `devices ls`, `revoke` and `rotate-device` do. */
import { HeddleError } from '../core/errors.ts'
import type { EndStatement } from '../core/identity/account-history.ts'
import { type DeviceCertificate, readDeviceCertificate } from '../core/identity/device-certificate.ts'
import { issueDeviceRotation } from '../core/identity/device-rotation.ts'
import { peerIdOf } from '../core/identity/peer-id.ts'
import { type Checked, type IdentityRefusal, refusalText } from '../core/identity/refusal.ts'
import {
  ALL_SERIALS,
  issueRevocation,
  REVOCATION_REASONS,
  type RevocationReason,
  revocationReasonOf,
} from '../core/identity/revocation.ts'
import { type Role, rolesOf } from '../core/identity/roles.ts'
import type { AccountId, NodeId, UnixMs } from '../core/ids.ts'
import type { Signer } from '../ports/signer.ts'
import { finishRotations, type OwnIdentityOptions } from './open-own-identity.ts'
import { certify, type IdentityDeps, storedCertificate } from './own-certificate.ts'

export interface CertificateView {
  readonly roles: readonly Role[]
  readonly serial: number
  readonly notBefore: UnixMs
  readonly expiresAt: UnixMs
  /** `valid`, or why it does not count. */
  readonly state: 'valid' | IdentityRefusal['kind']
  /** The state in words; empty where it is valid. */
  readonly reason: string
}

export interface IdentityView {
  readonly account: AccountId
  /** Where the account's key is: here, here under a passphrase, or not on this machine. */
  readonly accountKey: 'here' | 'sealed' | 'absent'
  /** How often the account's key was replaced. */
  readonly accountRotations: number
  readonly device: NodeId
  readonly certificate: CertificateView | undefined
  readonly endedDevices: number
}

export interface DeviceView {
  readonly device: NodeId
  readonly isThisDevice: boolean
  /** The newest that is known; undefined for a device that only its end is known of. */
  readonly certificate: CertificateView | undefined
  readonly end: DeviceEndView | undefined
}

export interface DeviceEndView {
  readonly endedAt: UnixMs
  /** `rotated` where the machine has a new key. */
  readonly reason: RevocationReason | 'rotated'
  readonly successor: NodeId | undefined
}

/** What was signed, and what has to be told to the network. */
export interface SignedAction {
  readonly account: AccountId
  readonly device: NodeId
  /** Spread it: `AccountBook.add` of every other node takes it. Empty where nothing new was said. */
  readonly statements: readonly Uint8Array[]
}

/** The identity of this machine; undefined before its first start. Needs no passphrase. */
export async function showIdentity(deps: IdentityDeps): Promise<IdentityView | undefined> {
  const { store, book } = deps
  await loadStatements(deps)
  const [deviceKey, accountKey] = [await store.describe('device'), await store.describe('account')]
  if (deviceKey === undefined) return undefined
  const device = peerIdOf(deviceKey.publicKey)
  const stored = await storedCertificate(deps, device)
  const read = stored && readDeviceCertificate(stored.bytes)
  const certificate = read?.kind === 'ok' ? read.value.certificate : undefined
  const account = accountKey === undefined ? certificate?.account : deps.book.accountOf(accountKey.publicKey)
  if (account === undefined) return undefined
  return {
    account,
    accountKey: accountKey === undefined ? 'absent' : accountKey.isSealed ? 'sealed' : 'here',
    accountRotations: book.rotationsOf(account),
    device,
    certificate: certificate && stored && certificateView(certificate, stored.checked),
    endedDevices: book.endsOf(account).length,
  }
}

/** The account's devices: this one, those of `certificates` (what the registry knows), and the ended ones. Needs no passphrase. */
export async function listDevices(
  deps: IdentityDeps,
  certificates: Iterable<Uint8Array>,
): Promise<readonly DeviceView[]> {
  const { store, book, clock } = deps
  const own = await showIdentity(deps)
  if (own === undefined) return []
  const ownBytes = await store.readCertificate(own.device)
  const newest = new Map<NodeId, CertificateView | undefined>([[own.device, undefined]])
  for (const { device } of book.endsOf(own.account)) newest.set(device, undefined)
  for (const bytes of ownBytes === undefined ? certificates : [ownBytes, ...certificates]) {
    const read = readDeviceCertificate(bytes)
    if (read.kind !== 'ok' || read.value.certificate.account !== own.account) continue
    const { certificate } = read.value
    const checked = book.checkCertificate(bytes, { now: clock.now() })
    // Anybody can write down this account's id; only its keys make a device one of its own.
    if (checked.kind === 'bad_signature' || checked.kind === 'unknown_account_key') continue
    if ((newest.get(certificate.device)?.serial ?? -1) >= certificate.serial) continue
    newest.set(certificate.device, certificateView(certificate, checked))
  }
  const views = [...newest].map(([device, certificate]): DeviceView => {
    const end = book.endOf(own.account, device, ALL_SERIALS)
    return { device, isThisDevice: device === own.device, certificate, end: end && endView(end) }
  })
  return views.sort((a, b) => Number(b.isThisDevice) - Number(a.isThisDevice) || (a.device < b.device ? -1 : 1))
}

/** Revokes every certificate that `device` has or will get. There is no way back; the machine must take a new device key. */
export async function revokeDevice(
  deps: IdentityDeps,
  device: NodeId,
  { reason, passphrase }: { readonly reason: RevocationReason; readonly passphrase: string | undefined },
): Promise<SignedAction> {
  const { store, book, clock } = deps
  await loadStatements(deps)
  const own = await store.describe('device')
  if (own !== undefined && peerIdOf(own.publicKey) === device) {
    throw new HeddleError('conflict', 'this is the device of this machine; it would lock itself out', {
      fix: 'heddle identity rotate-device',
    })
  }
  const { account, key } = await openAccount(deps, passphrase)
  if (book.endOf(account, device, ALL_SERIALS) !== undefined) return { account, device, statements: [] }
  const statement = issueRevocation(key, {
    account,
    device,
    throughSerial: ALL_SERIALS,
    revokedAt: clock.now(),
    reasonCode: REVOCATION_REASONS.indexOf(reason),
    extensions: new Map(),
  })
  await record(deps, statement)
  return { account, device, statements: [statement] }
}

/**
 * Gives this machine a new device key and so a new peer id. Old key, new key and account sign for it, and the old device is revoked.
 * The node must be started again. A crash at any point leaves the old device or the new one, whole.
 */
export async function rotateDevice(
  deps: IdentityDeps,
  { passphrase, roles }: OwnIdentityOptions,
): Promise<SignedAction> {
  const { store, keys, clock } = deps
  await loadStatements(deps)
  await finishRotations(deps)
  const oldSeed = await store.open('device', { passphrase })
  if (oldSeed === undefined) throw new HeddleError('not_found', 'this machine has no device key yet')
  const { account, key } = await openAccount(deps, passphrase)
  const now = clock.now()
  const newSeed = keys.newSeed()
  const [oldDevice, newDevice] = [keys.signerOf(oldSeed), keys.signerOf(newSeed)]
  const device = peerIdOf(newDevice.publicKey)
  await store.write('next-device', newSeed, { passphrase })
  await store.writeCertificate(device, certify(key, { account, device, roles }, { now, lastSerial: 0 }))
  const statement = issueDeviceRotation(
    { oldDevice, newDevice, account: key },
    { account, rotatedAt: now, extensions: new Map() },
  )
  await record(deps, statement)
  await store.move('next-device', 'device')
  return { account, device, statements: [statement] }
}

/** Puts the statements at rest into the book, so that actions see what was said before. */
export async function loadStatements({ store, book }: Pick<IdentityDeps, 'store' | 'book'>): Promise<void> {
  book.addAll(await store.statements.read())
}

/** The account of this machine with its key; the key must be its current one. */
export async function openAccount(
  deps: IdentityDeps,
  passphrase: string | undefined,
): Promise<{ readonly account: AccountId; readonly key: Signer }> {
  const seed = await deps.store.open('account', { passphrase })
  if (seed === undefined) {
    throw new HeddleError('not_found', 'the account’s key is not on this machine', {
      fix: 'heddle identity import <file>',
    })
  }
  const key = deps.keys.signerOf(seed)
  const account = deps.book.accountOf(key.publicKey)
  const standing = deps.book.standingOf(account, key.publicKey)
  if (standing === 'current') return { account, key }
  const refusal: IdentityRefusal = { kind: standing === 'unknown' ? 'unknown_account_key' : standing }
  throw new HeddleError('identity_refused', `nothing can be signed for the account: ${refusalText(refusal)}`, {
    fix: 'heddle identity import <file>',
  })
}

/** Stores a statement of this machine's account; what others hear of is at rest here first. */
export async function record({ store, book }: IdentityDeps, statement: Uint8Array): Promise<void> {
  await store.statements.append([statement])
  const added = book.add(statement)
  if (added.kind === 'added' || added.kind === 'known') return
  throw new HeddleError('identity_refused', `the statement does not hold: ${refusalText(added)}`)
}

function certificateView(certificate: DeviceCertificate, checked: Checked<DeviceCertificate>): CertificateView {
  const { serial, notBefore, expiresAt } = certificate
  const state = checked.kind === 'ok' ? 'valid' : checked.kind
  const reason = checked.kind === 'ok' ? '' : refusalText(checked)
  return { roles: rolesOf(certificate.roles), serial, notBefore, expiresAt, state, reason }
}

function endView(end: EndStatement['body']): DeviceEndView {
  return end.kind === 'device-rotation'
    ? { endedAt: end.rotatedAt, reason: 'rotated', successor: end.newDevice }
    : { endedAt: end.revokedAt, reason: revocationReasonOf(end.reasonCode), successor: undefined }
}
