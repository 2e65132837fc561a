/** `heddle network leave`: forgets a private network with its secrets. */
import { leaveLocalNetwork } from '../../compose/offline-networks.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { assertThisMachine, localConfig, noteRestart } from '../this-machine.ts'

export async function networkLeave(context: Context, name: string): Promise<ExitCode> {
  assertThisMachine(context)
  const network = await leaveLocalNetwork(localConfig(context), name)
  if (context.json) {
    context.document(network)
    return EXIT.ok
  }
  context.terminal.line(`left the network "${network.name}" (${network.id})`)
  await noteRestart(context)
  return EXIT.ok
}
