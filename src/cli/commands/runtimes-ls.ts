/** `heddle runtimes ls`: the runtimes and how they are. */
import type { RuntimeView } from '../../core/wire/admin.ts'
import type { RuntimeList } from '../../core/wire/admin-models.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { stateText } from '../node-report.ts'
import { type Column, tableLines } from '../table.ts'

const COLUMNS: readonly Column<RuntimeView>[] = [
  { title: 'RUNTIME', cell: ({ id }) => id, shrinks: true },
  { title: 'STATE', cell: stateText },
  { title: 'MODELS', cell: ({ models }) => String(models.length), align: 'right' },
  { title: 'LOAD', cell: ({ inFlight, capacity }) => `${inFlight}/${capacity}`, align: 'right' },
  { title: 'AT', cell: ({ location }) => location, shrinks: true },
  { title: 'REASON', cell: ({ reason }) => reason, shrinks: true },
]

export async function runtimesLs(context: Context): Promise<ExitCode> {
  const node = await context.node()
  const document = await node.document<RuntimeList>('/api/v1/runtimes', 'heddle.runtimes/v1', {
    signal: context.signal,
  })
  const { terminal } = context
  if (context.json) context.document(document)
  else if (document.runtimes.length === 0)
    terminal.note(asTyped('there is no runtime; try: heddle runtimes add <url>', context.env))
  else {
    const columns = document.runtimes.some(({ reason }) => reason !== '') ? COLUMNS : COLUMNS.slice(0, -1)
    for (const line of tableLines(columns, document.runtimes, terminal.width)) terminal.line(line)
  }
  return EXIT.ok
}
