/** What `heddle identity` does with the files of this machine, while its node does not run. */
import { exportAccount, type ImportedAccount, importAccount, rotateAccount } from '../accounts/account-actions.ts'
import { listDevices, revokeDevice, rotateDevice, showIdentity } from '../accounts/identity-actions.ts'
import { sealKeys } from '../accounts/seal-keys.ts'
import { HeddleError } from '../core/errors.ts'
import type { RevocationReason } from '../core/identity/revocation.ts'
import type { DeviceList, IdentityDocument, SignedActionDocument } from '../core/wire/admin-identity.ts'
import type { Config } from './config.ts'
import { deviceOf } from './identity-admin.ts'
import { deviceList, identityDocument, signedDocument } from './identity-views.ts'
import { lockFolders } from './lock-folders.ts'
import { identityDeps } from './open-identity.ts'
import { identityOptionsOf } from './passphrase.ts'

type Local = Pick<Config, 'identity' | 'paths'>

/** @throws HeddleError `not_found` before the first start of this machine's node */
export async function showLocalIdentity({ paths }: Local): Promise<IdentityDocument> {
  return identityDocument(await showIdentity(identityDeps(paths.keysDir)))
}

/** Only a running node knows the account's other devices; here are this one and those that ended. */
export async function listLocalDevices({ paths }: Local): Promise<DeviceList> {
  return deviceList(await listDevices(identityDeps(paths.keysDir), []))
}

/** The account under `exportPassphrase`, as one line of text. */
export async function exportLocalAccount(
  { identity, paths }: Local,
  { exportPassphrase }: { readonly exportPassphrase: string },
): Promise<string> {
  const { passphrase } = await identityOptionsOf({ identity })
  return await exportAccount(identityDeps(paths.keysDir), { passphrase, exportPassphrase })
}

/** @throws HeddleError `conflict` while the node runs, and where this machine has another account */
export async function importLocalAccount(
  { identity, paths }: Local,
  text: string,
  options: { readonly exportPassphrase: string; readonly mayReplace: boolean },
): Promise<ImportedAccount> {
  using _ = await keepStopped(paths)
  const own = await identityOptionsOf({ identity })
  return await importAccount(identityDeps(paths.keysDir), text, { ...own, ...options })
}

/** Gives the account a new key. @throws HeddleError `conflict` while the node runs */
export async function rotateLocalAccount({ identity, paths }: Local): Promise<SignedActionDocument> {
  using _ = await keepStopped(paths)
  return signedDocument(await rotateAccount(identityDeps(paths.keysDir), await identityOptionsOf({ identity })))
}

/** Gives this machine a new device key. @throws HeddleError `conflict` while the node runs */
export async function rotateLocalDevice({ identity, paths }: Local): Promise<SignedActionDocument> {
  using _ = await keepStopped(paths)
  return signedDocument(await rotateDevice(identityDeps(paths.keysDir), await identityOptionsOf({ identity })))
}

/** The network hears of it when the node starts. @throws HeddleError `conflict` while the node runs */
export async function revokeLocally(
  { identity, paths }: Local,
  device: string,
  reason: RevocationReason,
): Promise<SignedActionDocument> {
  using _ = await keepStopped(paths)
  const { passphrase } = await identityOptionsOf({ identity })
  return signedDocument(await revokeDevice(identityDeps(paths.keysDir), deviceOf(device), { reason, passphrase }))
}

/** Seals the keys with the configured passphrase, or writes them open. @throws HeddleError `conflict` while the node runs */
export async function sealLocalKeys(
  { identity, paths }: Local,
  { isSealed }: { readonly isSealed: boolean },
): Promise<readonly string[]> {
  using _ = await keepStopped(paths)
  const { passphrase } = await identityOptionsOf({ identity })
  return await sealKeys(identityDeps(paths.keysDir), { passphrase, isSealed })
}

/** Keeps the node from running until the result is disposed: it holds its keys in memory, and would write over what is changed. */
async function keepStopped(paths: Config['paths']): Promise<Disposable> {
  try {
    return await lockFolders(paths)
  } catch (error) {
    if (!(error instanceof HeddleError) || error.code !== 'conflict') throw error
    throw new HeddleError('conflict', 'the node of this machine runs with what this would change; stop it first', {
      cause: error,
      fix: 'heddle down',
    })
  }
}
