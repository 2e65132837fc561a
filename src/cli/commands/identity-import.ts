/** `heddle identity import`: makes this machine a device of the account in a file. */
import { importLocalAccount } from '../../compose/offline-identity.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { assertThisMachine, localConfig, readPassphraseFrom, readText } from '../this-machine.ts'

export interface IdentityImportOptions {
  readonly passphraseFile?: string
  readonly replace?: boolean
}

export async function identityImport(
  context: Context,
  path: string,
  options: IdentityImportOptions,
): Promise<ExitCode> {
  assertThisMachine(context)
  const text = await readText(context, path, 'an export of an account')
  const exportPassphrase = await readPassphraseFrom(context, '--passphrase-file', options.passphraseFile)
  const config = localConfig(context)
  const mayReplace = options.replace === true
  const { account, certificate, isUnchanged } = await importLocalAccount(config, text, { exportPassphrase, mayReplace })
  const expiresAt = new Date(certificate.expiresAt).toISOString()
  if (context.json) {
    const { device } = certificate
    context.document({ schema: 'heddle.imported/v1', account, device, isUnchanged, expiresAt })
  } else {
    context.terminal.line(`this machine is a device of account ${account}, until ${expiresAt.slice(0, 10)}`)
  }
  return EXIT.ok
}
