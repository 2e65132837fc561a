/** Where the passphrase of this machine's keys is. */
import type { Environment } from './paths.ts'
import type { SettingValues } from './settings-schema.ts'

export interface IdentityConfig {
  /** `HEDDLE_PASSPHRASE`; a secret. */
  readonly passphrase: string | undefined
  /** Read where no passphrase is given. */
  readonly passphraseFile: string | undefined
}

export function identityOf(values: SettingValues, env: Environment): IdentityConfig {
  return {
    passphrase: env['HEDDLE_PASSPHRASE'] || undefined,
    passphraseFile: values['identity.passphrase_file'] || undefined,
  }
}
