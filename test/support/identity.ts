/** Accounts, devices and their statements for tests, with keys that are the same each time. */
import { MemoryIdentityStore } from '../../src/adapters/memory/memory-identity-store.ts'
import { Ed25519Verifier, ed25519Keys } from '../../src/adapters/system/ed25519-signer.ts'
import { AccountBook } from '../../src/core/identity/account-book.ts'
import { accountIdOf } from '../../src/core/identity/account-id.ts'
import { issueAccountRotation } from '../../src/core/identity/account-rotation.ts'
import { type DeviceCertificate, issueDeviceCertificate } from '../../src/core/identity/device-certificate.ts'
import { issueDeviceRotation } from '../../src/core/identity/device-rotation.ts'
import { peerIdOf } from '../../src/core/identity/peer-id.ts'
import { ALL_SERIALS, issueRevocation } from '../../src/core/identity/revocation.ts'
import { roleMaskOf } from '../../src/core/identity/roles.ts'
import { type AccountId, asUnixMs, type NodeId, type UnixMs } from '../../src/core/ids.ts'
import { limit } from '../../src/core/limits.ts'
import type { Signer } from '../../src/ports/signer.ts'

export const scheme = new Ed25519Verifier()
/** 2026-01-01T00:00:00Z */
export const NOW = asUnixMs(1_767_225_600_000)
export const PROVIDER = roleMaskOf(['provider'])

/** The signer whose seed is the SHA-256 of `name`. */
export function signerNamed(name: string): Signer {
  return ed25519Keys.signerOf(scheme.sha256(new TextEncoder().encode(name)))
}

export const deviceNamed = (name: string): NodeId => peerIdOf(signerNamed(name).publicKey)
export const accountNamed = (name: string): AccountId => accountIdOf(scheme, signerNamed(name).publicKey)

/** A certificate for the device named `device`, of the account whose first key is named `account`, signed by the key named `by`. */
export function certificateOf(
  account: string,
  device: string,
  { by = account, ...change }: Partial<DeviceCertificate> & { readonly by?: string } = {},
): Uint8Array {
  return issueDeviceCertificate(signerNamed(by), {
    account: accountNamed(account),
    device: deviceNamed(device),
    roles: PROVIDER,
    notBefore: NOW,
    expiresAt: asUnixMs(NOW + limit('certificateMs')),
    serial: 1,
    extensions: new Map(),
    ...change,
  })
}

export function revocationOf(
  account: string,
  device: string,
  {
    by = account,
    throughSerial = ALL_SERIALS,
    revokedAt = NOW,
  }: { readonly by?: string; readonly throughSerial?: number; readonly revokedAt?: UnixMs } = {},
): Uint8Array {
  const extensions = new Map()
  const subject = { account: accountNamed(account), device: deviceNamed(device) }
  return issueRevocation(signerNamed(by), { ...subject, throughSerial, revokedAt, reasonCode: 1, extensions })
}

/** The account’s key gives way to the next; `number` counts from 1. */
export function accountRotationOf(account: string, number: number, oldKey: string, newKey: string): Uint8Array {
  return issueAccountRotation(
    { oldKey: signerNamed(oldKey), newKey: signerNamed(newKey) },
    { account: accountNamed(account), number, rotatedAt: NOW, extensions: new Map() },
  )
}

export function deviceRotationOf(
  account: string,
  oldDevice: string,
  newDevice: string,
  { by = account }: { readonly by?: string } = {},
): Uint8Array {
  return issueDeviceRotation(
    { oldDevice: signerNamed(oldDevice), newDevice: signerNamed(newDevice), account: signerNamed(by) },
    { account: accountNamed(account), rotatedAt: NOW, extensions: new Map() },
  )
}

/** What identity actions need, over a store in memory and a clock that the test sets. */
export function identityInMemory(): {
  readonly store: MemoryIdentityStore
  readonly keys: typeof ed25519Keys
  readonly verifier: Ed25519Verifier
  readonly book: AccountBook
  readonly clock: { at: UnixMs; now(): UnixMs }
} {
  const clock = {
    at: NOW,
    now(): UnixMs {
      return this.at
    },
  }
  return {
    store: new MemoryIdentityStore(ed25519Keys),
    keys: ed25519Keys,
    verifier: scheme,
    book: new AccountBook(scheme),
    clock,
  }
}

/** Every encoding that differs from `bytes` in one bit. */
export function* bitFlipsOf(bytes: Uint8Array): Generator<{ readonly bit: number; readonly flipped: Uint8Array }> {
  for (let bit = 0; bit < bytes.length * 8; bit += 1) {
    const flipped = bytes.slice()
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    yield { bit, flipped }
  }
}
