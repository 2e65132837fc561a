/** `heddle network create`: a private network with this machine as its first member. */
import { createLocalNetwork } from '../../compose/offline-networks.ts'
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
  context.terminal.note('others join with: heddle network show --join-file > network.join')
  await noteRestart(context)
  return EXIT.ok
}
