/** The passphrase that seals this machine's keys, from where the configuration says it is. */
import type { OwnIdentityOptions } from '../accounts/open-own-identity.ts'
import { readSecretFile } from '../adapters/system/secret-file.ts'
import { HeddleError } from '../core/errors.ts'
import type { Config } from './config.ts'
import type { IdentityConfig } from './config-identity.ts'
import { NODE_ROLES_MASK } from './open-identity.ts'

/** Undefined where none is configured. @throws HeddleError `config_invalid` or `insecure_file_mode` for its file */
export async function readPassphrase({ passphrase, passphraseFile }: IdentityConfig): Promise<string | undefined> {
  if (passphrase !== undefined || passphraseFile === undefined) return passphrase
  const text = await readSecretFile(passphraseFile)
  if (text !== undefined && text !== '') return text
  const what = text === undefined ? 'there is no file' : 'nothing is in'
  throw new HeddleError('config_invalid', `${what} ${passphraseFile}, which identity.passphrase_file names`, {
    param: 'identity.passphrase_file',
    fix: `write the passphrase into '${passphraseFile}', and chmod 600 it`,
  })
}

export async function identityOptionsOf({ identity }: Pick<Config, 'identity'>): Promise<OwnIdentityOptions> {
  return { passphrase: await readPassphrase(identity), roles: NODE_ROLES_MASK }
}
