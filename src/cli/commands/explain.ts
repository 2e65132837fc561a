/** `heddle explain`: who would serve a model now, in which order, and who not and why. Nothing is sent to anybody. */
import { PROMPT_TRUST } from '../../core/routing/prompt-trust.ts'
import type { Explanation } from '../../core/wire/admin-explain.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { shortText } from '../node-text.ts'
import { choiceOption } from '../option-values.ts'
import { type Column, tableLines } from '../table.ts'
import { printable } from '../terminal.ts'

export interface ExplainOptions {
  readonly model: string
  readonly endpoint: string
  readonly promptTrust: string
}

type Row = Explanation['candidates'][number]

const COLUMNS: readonly Column<Row>[] = [
  { title: 'NODE', cell: ({ nodeName }) => nodeName, shrinks: true },
  { title: 'RUNTIME', cell: ({ runtime }) => runtime, shrinks: true },
  { title: 'BY', cell: ({ connector }) => connector },
  { title: 'OWNER', cell: ({ account }) => account },
  { title: 'LOAD', cell: ({ inFlight, capacity }) => `${inFlight}/${capacity}`, align: 'right' },
  { title: 'RTT', cell: ({ rttMs }) => (rttMs === null ? '-' : shortText(rttMs)), align: 'right' },
  { title: 'WHY', cell: ({ why }) => why, shrinks: true },
]
const ENDPOINTS = ['chat', 'completions', 'embeddings'] as const

export async function explain(context: Context, options: ExplainOptions): Promise<ExitCode> {
  const { terminal, signal } = context
  const query = new URLSearchParams({
    model: options.model,
    endpoint: choiceOption('--endpoint', options.endpoint, ENDPOINTS),
    promptTrust: choiceOption('--prompt-trust', options.promptTrust, PROMPT_TRUST),
  })
  const node = await context.node()
  const document = await node.document<Explanation>(`/api/v1/explain?${query.toString()}`, 'heddle.explanation/v1', {
    signal,
  })
  if (context.json) context.document(document)
  else for (const line of explainLines(document, context)) terminal.line(line)
  return document.refusal === null ? EXIT.ok : EXIT.noCapacity
}

export function explainLines(
  { candidates, excluded, refusal }: Explanation,
  { terminal, env }: Pick<Context, 'terminal' | 'env'>,
): readonly string[] {
  const lines: string[] = []
  if (refusal === null) {
    lines.push('would be asked in this order:', ...tableLines(COLUMNS, candidates, terminal.width))
  } else {
    lines.push(printable(`nobody can be asked: ${refusal.message}  [${refusal.code}]`))
    if (refusal.fix !== null) lines.push(`  try: ${printable(asTyped(refusal.fix, env))}`)
  }
  if (excluded.length > 0) lines.push('', 'left out:', ...tableLines(COLUMNS, excluded, terminal.width))
  return lines
}
