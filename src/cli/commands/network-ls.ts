/** `heddle network ls`: the networks of this machine. */
import { listLocalNetworks } from '../../compose/offline-networks.ts'
import type { NetworkPart } from '../../core/wire/networks.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { memberText } from '../network-text.ts'
import { type Column, tableLines } from '../table.ts'
import { assertThisMachine, localConfig } from '../this-machine.ts'

const COLUMNS: readonly Column<NetworkPart>[] = [
  { title: '  NETWORK', cell: ({ name, isActive }) => `${isActive ? '*' : '-'} ${name}`, shrinks: true },
  { title: 'ID', cell: ({ id }) => id.slice(0, 12) },
  { title: 'MEMBERS', cell: ({ isPrivate }) => (isPrivate ? 'by join file' : 'everybody') },
  { title: 'THIS MACHINE', cell: memberText, shrinks: true },
]

export async function networkLs(context: Context): Promise<ExitCode> {
  assertThisMachine(context)
  const list = await listLocalNetworks(localConfig(context))
  if (context.json) context.document(list)
  else for (const line of tableLines(COLUMNS, list.networks, context.terminal.width)) context.terminal.line(line)
  return EXIT.ok
}
