/** What a machine keeps of its owner and itself: keys, certificates, and what the account has said. */
import type { PublicKey } from '../core/identity/ed25519-rules.ts'
import type { AccountId, NodeId } from '../core/ids.ts'
import type { StatementStore } from './statement-store.ts'

/** `next-…` is a key that is about to take the other's place. */
export type KeyName = 'account' | 'device' | 'next-account' | 'next-device'

/** What can be told of a key without its passphrase. */
export interface KeyDescription {
  readonly publicKey: PublicKey
  /** Whether a passphrase is needed to use it. */
  readonly isSealed: boolean
}

interface WithPassphrase {
  /** Undefined where there is none. */
  readonly passphrase: string | undefined
}

/**
 * Every implementation promises (test/contracts/identity-store.contract.ts checks it): what `write`, `move` and the certificates wrote is
 * there after a crash, whole or not at all; `open` of a sealed key throws `key_locked` without a passphrase and `wrong_passphrase` with a wrong one.
 */
export interface IdentityStore {
  /** Statements of this machine's own account. */
  readonly statements: StatementStore
  describe(name: KeyName): Promise<KeyDescription | undefined>
  /** The 32-byte seed of a key; undefined where there is no such key. */
  open(name: KeyName, options: WithPassphrase): Promise<Uint8Array | undefined>
  /** Stores a seed in the place of what was there, sealed where a passphrase is given. */
  write(name: KeyName, seed: Uint8Array, options: WithPassphrase): Promise<void>
  /** Gives the key `from` the name `to` in one step; a key that had it is gone. */
  move(from: KeyName, to: KeyName): Promise<void>
  remove(name: KeyName): Promise<void>
  /** Puts the account key aside under a name of its own, where nothing uses and nothing overwrites it. */
  setAside(account: AccountId): Promise<void>
  readCertificate(device: NodeId): Promise<Uint8Array | undefined>
  writeCertificate(device: NodeId, certificate: Uint8Array): Promise<void>
}

/** Keys under a passphrase. */
export interface KeySealer {
  /** @throws HeddleError `usage` where the passphrase is too short */
  seal(seed: Uint8Array, passphrase: string): Promise<Uint8Array>
  /** @throws HeddleError `wrong_passphrase`, or `state_corrupt` where `sealed` is no sealed key */
  unseal(sealed: Uint8Array, passphrase: string): Promise<Uint8Array>
}
