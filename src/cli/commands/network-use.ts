/** `heddle network use`: which of its networks the node takes part in. */
import { useLocalNetwork } from '../../compose/offline-networks.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { assertThisMachine, localConfig, noteRestart } from '../this-machine.ts'

export async function networkUse(context: Context, name: string): Promise<ExitCode> {
  assertThisMachine(context)
  const network = await useLocalNetwork(localConfig(context), name)
  if (context.json) {
    context.document(network)
    return EXIT.ok
  }
  context.terminal.line(`the node takes part in "${network.name}" (${network.id})`)
  await noteRestart(context)
  return EXIT.ok
}
