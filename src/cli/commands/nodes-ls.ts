/** `heddle nodes ls`: the nodes of the network, this one first. */
import type { NodeList } from '../../core/wire/admin-mesh.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { NODE_COLUMNS } from '../node-text.ts'
import { tableLines } from '../table.ts'

export interface NodesLsOptions {
  readonly model?: string
}

export async function nodesLs(context: Context, { model }: NodesLsOptions): Promise<ExitCode> {
  const { terminal, signal, env } = context
  const node = await context.node()
  const document = await node.document<NodeList>('/api/v1/nodes', 'heddle.nodes/v1', { signal })
  const nodes = model === undefined ? document.nodes : document.nodes.filter(({ models }) => models.includes(model))
  if (context.json) {
    context.document({ ...document, nodes })
    return EXIT.ok
  }
  if (nodes.length === 0) terminal.note(asTyped(`no node serves "${model}"; try: heddle models ls`, env))
  else for (const line of tableLines(NODE_COLUMNS, nodes, terminal.width)) terminal.line(line)
  if (document.mode === 'standalone') {
    terminal.note('this node runs by itself (mode standalone), so it knows no other')
    terminal.note(asTyped('  try: heddle config set mode local', env))
  }
  return EXIT.ok
}
