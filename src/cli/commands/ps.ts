/** `heddle ps`: loaded models and what they work on. */
import type { Ps, PsEntry } from '../../core/wire/admin.ts'
import { durationText } from '../amounts.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type Column, tableLines } from '../table.ts'

const COLUMNS: readonly Column<PsEntry>[] = [
  { title: 'MODEL', cell: ({ model }) => model, shrinks: true },
  { title: 'NODE', cell: ({ nodeName }) => nodeName, shrinks: true },
  { title: 'RUNTIME', cell: ({ runtime }) => runtime, shrinks: true },
  { title: 'PROCESSOR', cell: ({ processor }) => processor ?? '-' },
  { title: 'CONTEXT', cell: ({ contextTokens }) => String(contextTokens ?? '-'), align: 'right' },
  { title: 'RUNNING', cell: ({ inFlight, capacity }) => `${inFlight}/${capacity}`, align: 'right' },
  { title: 'IDLE UNTIL', cell: ({ idleUntil }) => (idleUntil === null ? '-' : untilText(idleUntil)) },
]

export async function ps(context: Context): Promise<ExitCode> {
  const node = await context.node()
  const document = await node.document<Ps>('/api/v1/ps', 'heddle.ps/v1', { signal: context.signal })
  if (context.json) context.document(document)
  else if (document.models.length === 0) context.terminal.note('no model is loaded')
  else for (const line of tableLines(COLUMNS, document.models, context.terminal.width)) context.terminal.line(line)
  return EXIT.ok
}

const untilText = (time: string): string => durationText(Math.max(0, Date.parse(time) - Date.now()))
