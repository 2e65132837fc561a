/** `heddle identity seal` and `unseal`: the keys of this machine under its passphrase, or open. */
import { sealLocalKeys } from '../../compose/offline-identity.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { assertThisMachine, localConfig } from '../this-machine.ts'

export async function identitySeal(context: Context, isSealed: boolean): Promise<ExitCode> {
  assertThisMachine(context)
  const changed = await sealLocalKeys(localConfig(context), { isSealed })
  if (context.json) {
    context.document({ schema: 'heddle.sealed/v1', isSealed, changed })
    return EXIT.ok
  }
  const state = isSealed ? 'sealed' : 'open'
  const keys = changed.length === 0 ? 'both keys were' : `${changed.join(' and ')} key:`
  context.terminal.line(changed.length === 0 ? `${keys} ${state} already` : `${keys} ${state} now`)
  if (isSealed) context.terminal.note('the node needs the passphrase to start; nobody can restore it')
  return EXIT.ok
}
