/** `heddle identity rotate` and `rotate-device`: a new key for the account, or for this machine. */
import { rotateLocalAccount, rotateLocalDevice } from '../../compose/offline-identity.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { assertThisMachine, localConfig } from '../this-machine.ts'

export async function identityRotate(context: Context): Promise<ExitCode> {
  assertThisMachine(context)
  const signed = await rotateLocalAccount(localConfig(context))
  if (context.json) {
    context.document(signed)
    return EXIT.ok
  }
  context.terminal.line(`account ${signed.account} has a new key`)
  context.terminal.note('the network hears of it when the node starts; the account’s other machines need it too:')
  for (const how of ['here:   heddle identity export <file>', 'there:  heddle identity import <file>'])
    context.terminal.note(asTyped(`  ${how} --passphrase-file <file>`, context.env))
  return EXIT.ok
}

export async function identityRotateDevice(context: Context): Promise<ExitCode> {
  assertThisMachine(context)
  const signed = await rotateLocalDevice(localConfig(context))
  if (context.json) context.document(signed)
  else context.terminal.line(`this machine is device ${signed.device} now; the old one is revoked`)
  return EXIT.ok
}
