/** `heddle identity export`: the account under a passphrase, for another machine of its owner. */
import { open } from 'node:fs/promises'
import { exportLocalAccount } from '../../compose/offline-identity.ts'
import { HeddleError } from '../../core/errors.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { assertThisMachine, localConfig, readPassphraseFrom } from '../this-machine.ts'

export interface IdentityExportOptions {
  readonly passphraseFile?: string
}

export async function identityExport(
  context: Context,
  path: string,
  options: IdentityExportOptions,
): Promise<ExitCode> {
  assertThisMachine(context)
  const exportPassphrase = await readPassphraseFrom(context, '--passphrase-file', options.passphraseFile)
  const text = await exportLocalAccount(localConfig(context), { exportPassphrase })
  if (path === '-') {
    context.terminal.line(text)
    return EXIT.ok
  }
  await writeNew(path, `${text}\n`)
  if (context.json) context.document({ schema: 'heddle.file/v1', path })
  else {
    const how = 'another machine takes it with: heddle identity import <file> --passphrase-file <file> --replace'
    context.terminal.note(asTyped(`the account is in ${path}; ${how}`, context.env))
  }
  return EXIT.ok
}

/** Only its owner may read it, and nothing is overwritten. */
export async function writeNew(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'EEXIST' ? 'it exists already' : cause.message
    throw new HeddleError('usage', `cannot write ${path}: ${why}`, { cause })
  })
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}
