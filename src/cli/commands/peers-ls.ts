/** `heddle peers ls`: who is connected now, and how. */
import { shortId } from '../../core/registry/pick-node.ts'
import type { PeerList, PeerView } from '../../core/wire/admin-mesh.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { pathText, shortText } from '../node-text.ts'
import { type Column, tableLines } from '../table.ts'

const COLUMNS: readonly Column<PeerView>[] = [
  { title: 'PEER', cell: ({ name }) => name ?? '-', shrinks: true },
  { title: 'ID', cell: ({ id }) => shortId(id) },
  { title: 'OWNER', cell: ({ account }) => account ?? '-' },
  { title: 'RTT', cell: ({ rttMs }) => (rttMs === null ? '-' : shortText(rttMs)), align: 'right' },
  {
    title: 'PATH',
    cell: ({ paths }) => {
      const [best] = paths
      return best === undefined ? '-' : `${pathText(best)}${paths.length > 1 ? ` and ${paths.length - 1} more` : ''}`
    },
    shrinks: true,
  },
  { title: 'REFUSED', cell: ({ objection }) => objection ?? '', shrinks: true },
]

export async function peersLs(context: Context): Promise<ExitCode> {
  const { terminal, signal, env } = context
  const node = await context.node()
  const document = await node.document<PeerList>('/api/v1/peers', 'heddle.peers/v1', { signal })
  if (context.json) context.document(document)
  else if (document.peers.length === 0) terminal.note(asTyped('no peer is connected; try: heddle netcheck', env))
  else {
    const columns = document.peers.some(({ objection }) => objection !== null) ? COLUMNS : COLUMNS.slice(0, -1)
    for (const line of tableLines(columns, document.peers, terminal.width)) terminal.line(line)
  }
  return EXIT.ok
}
