/** Nodes and the ways to them as people read them. */
import { shortId } from '../core/registry/pick-node.ts'
import type { NodeView } from '../core/wire/admin.ts'
import type { PathView } from '../core/wire/admin-mesh.ts'
import { durationText } from './amounts.ts'
import type { Column } from './table.ts'

/** A node heard of longer ago than its beats come is worth a word. */
const QUIET_MS = 60_000

/** `online · direct · 3 ms`, or the state with its reason. */
export function nodeStateText({ state, reason, path, rttMs, connector }: NodeView): string {
  const parts: string[] = [state]
  if (reason !== '') parts.push(reason)
  if (path === 'circuit') parts.push('through a relay')
  else if (path === 'direct') parts.push('direct')
  else if (connector !== 'local' && state === 'online') parts.push('not connected')
  if (rttMs !== null) parts.push(shortText(rttMs))
  return parts.join(' · ')
}

/** `direct, tcp /ip4/192.168.1.20/tcp/11441`: without the id of the peer, which whoever reads it knows. */
export function pathText({ kind, transport, address }: PathView): string {
  return `${kind === 'circuit' ? 'through a relay' : 'direct'}, ${transport} ${address.replace(/\/p2p\/[^/]+$/, '')}`
}

/** Round trips: `0.21 ms`, `184 ms`. */
export function shortText(ms: number): string {
  const exactBelowMs = 10
  return ms < exactBelowMs ? `${ms.toFixed(2)} ms` : durationText(ms)
}

/** The name of a node, marked where it is the one that answers. */
export const NODE_COLUMNS: readonly Column<NodeView>[] = [
  { title: '  NODE', cell: ({ name, connector }) => `${connector === 'local' ? '*' : '-'} ${name}`, shrinks: true },
  { title: 'ID', cell: ({ id }) => shortId(id) },
  { title: 'OWNER', cell: ({ account }) => account },
  { title: 'REGION', cell: ({ region }) => region ?? '-' },
  { title: 'STATE', cell: nodeStateText, shrinks: true },
  { title: 'MODELS', cell: ({ models }) => String(models.length), align: 'right' },
  { title: 'LOAD', cell: ({ inFlight, capacity }) => `${inFlight}/${capacity}`, align: 'right' },
  { title: 'HEARD', cell: heardText, align: 'right' },
]

export function heardText({ lastSeen, connector }: Pick<NodeView, 'lastSeen' | 'connector'>): string {
  if (connector === 'local') return '-'
  const agoMs = Math.max(0, Date.now() - Date.parse(lastSeen))
  return agoMs < QUIET_MS ? 'now' : `${durationText(agoMs)} ago`
}
