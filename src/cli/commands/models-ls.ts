/** `heddle models ls`: the models that are or were here. */
import type { ModelList, ModelView } from '../../core/wire/admin-models.ts'
import { bytesText, parametersText } from '../amounts.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type Column, tableLines } from '../table.ts'

const COLUMNS: readonly Column<ModelView>[] = [
  { title: 'MODEL', cell: ({ id }) => id, shrinks: true },
  { title: 'STATE', cell: ({ state }) => state },
  { title: 'SERVED BY', cell: ({ providers }) => providers.map(providerText).join(', ') || '-', shrinks: true },
  { title: 'CONTEXT', cell: ({ contextTokens }) => String(contextTokens ?? '-'), align: 'right' },
  {
    title: 'PARAMETERS',
    cell: ({ parameters }) => (parameters === null ? '-' : parametersText(parameters)),
    align: 'right',
  },
  { title: 'QUANT', cell: ({ quantisation }) => quantisation ?? '-' },
  { title: 'SIZE', cell: ({ sizeBytes }) => (sizeBytes === null ? '-' : bytesText(sizeBytes)), align: 'right' },
]

/** The runtime where it is one of this node, the node otherwise. */
function providerText({ connector, runtime, nodeName }: ModelView['providers'][number]): string {
  return connector === 'local' ? runtime : nodeName
}

export async function modelsLs(context: Context): Promise<ExitCode> {
  const node = await context.node()
  const document = await node.document<ModelList>('/api/v1/models', 'heddle.models/v1', { signal: context.signal })
  if (context.json) context.document(document)
  else if (document.models.length === 0) {
    context.terminal.note(asTyped('no model is here; try: heddle models pull <url|file>', context.env))
  } else for (const line of tableLines(COLUMNS, document.models, context.terminal.width)) context.terminal.line(line)
  return EXIT.ok
}
