/** `heddle network create`: a private network with this machine as its first member. */
import { createLocalNetwork } from '../../compose/offline-networks.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { assertThisMachine, localConfig, noteRestart } from '../this-machine.ts'

export async function networkCreate(context: Context, name: string, options: { psk?: boolean }): Promise<ExitCode> {
  assertThisMachine(context)
  const network = await createLocalNetwork(localConfig(context), name, { hasPresharedKey: options.psk === true })
  if (context.json) {
    context.document(network)
    return EXIT.ok
  }
  context.terminal.line(`made the network "${network.name}" (${network.id}); this machine is in it`)
  const how = 'heddle network show --join-file > network.join\n  there:  heddle network join network.join'
  context.terminal.note(asTyped(`others join with a file that this machine writes:\n  here:   ${how}`, context.env))
  await noteRestart(context)
  return EXIT.ok
}
