/** `heddle network join`: takes part in a private network by the file of a member. */
import { joinLocalNetwork } from '../../compose/offline-networks.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { assertThisMachine, localConfig, noteRestart, readText } from '../this-machine.ts'

export async function networkJoin(context: Context, path: string): Promise<ExitCode> {
  assertThisMachine(context)
  const text = await readText(context, path, 'a join file')
  const network = await joinLocalNetwork(localConfig(context), text)
  if (context.json) {
    context.document(network)
    return EXIT.ok
  }
  const until = network.memberUntil?.slice(0, 10)
  context.terminal.line(`this machine is in the network "${network.name}" (${network.id}), until ${until}`)
  if (!network.hasKey) context.terminal.note('it does not hold the network’s key: it needs another join file by then')
  await noteRestart(context)
  return EXIT.ok
}
