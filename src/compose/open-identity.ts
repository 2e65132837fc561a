/** This node's identity: the account it belongs to, its device key, and the certificate that joins the two. */
import type { KeyObject } from 'node:crypto'
import { type OwnIdentity, type OwnIdentityOptions, openOwnIdentity } from '../accounts/open-own-identity.ts'
import type { IdentityDeps } from '../accounts/own-certificate.ts'
import { Ed25519Verifier, ed25519Keys, privateKeyOf } from '../adapters/system/ed25519-signer.ts'
import { IdentityFiles } from '../adapters/system/identity-files.ts'
import { keySealer } from '../adapters/system/sealed-key.ts'
import { SystemClock } from '../adapters/system/system-clock.ts'
import { AccountBook } from '../core/identity/account-book.ts'
import { hexOf } from '../core/identity/bytes.ts'
import { ALL_ROLES, roleMaskOf } from '../core/identity/roles.ts'
import type { NodeId } from '../core/ids.ts'
import type { KeySealer } from '../ports/identity-store.ts'

export interface Identity extends OwnIdentity {
  /** The device as a node of the network; the same as `device`. */
  readonly id: NodeId
  /** SHA-256 of the raw public key of the device, lower-case hex. */
  readonly fingerprint: string
  readonly privateKey: KeyObject
  /** Where the identity is kept, with the book that knows what its account has said. */
  readonly deps: IdentityDeps
}

/** What the certificate of a node of this version allows it to do. */
export const NODE_ROLES_MASK = roleMaskOf(ALL_ROLES)
const DEFAULTS: OwnIdentityOptions = { passphrase: undefined, roles: NODE_ROLES_MASK }

/** Everything that the commands of `heddle identity` and the node need, over the files in `keysDir`. Nothing is read yet. */
export function identityDeps(keysDir: string): IdentityDeps & { readonly sealer: KeySealer } {
  const sealer = keySealer()
  const verifier = new Ed25519Verifier()
  const store = new IdentityFiles(keysDir, { sealer })
  return { store, sealer, verifier, keys: ed25519Keys, book: new AccountBook(verifier), clock: new SystemClock() }
}

/**
 * Makes what is missing: account, device key, certificate.
 * @throws HeddleError `insecure_file_mode`, `state_corrupt`, `key_locked`, `wrong_passphrase`, or `identity_refused` where the account disowned this device
 */
export async function openIdentity(
  keysDir: string,
  options: OwnIdentityOptions = DEFAULTS,
  deps: IdentityDeps = identityDeps(keysDir),
): Promise<Identity> {
  const own = await openOwnIdentity(deps, options)
  const fingerprint = hexOf(deps.verifier.sha256(own.signer.publicKey))
  return { ...own, id: own.device, fingerprint, privateKey: privateKeyOf(own.deviceSeed()), deps }
}
