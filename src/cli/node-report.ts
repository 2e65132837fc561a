/** The status of a node in sentences: what it is, what it serves, what is wrong. */
import type { HealthItem, RuntimeView, Status } from '../core/wire/admin.ts'
import { counted, durationText } from './amounts.ts'
import { asTyped } from './command-name.ts'
import type { Context } from './context.ts'
import { NODE_COLUMNS } from './node-text.ts'
import { type Column, tableLines } from './table.ts'
import { printable } from './terminal.ts'

const RUNTIME_COLUMNS: readonly Column<RuntimeView>[] = [
  { title: 'RUNTIME', cell: ({ id }) => id, shrinks: true },
  { title: 'STATE', cell: stateText, shrinks: true },
  { title: 'MODELS', cell: ({ models }) => String(models.length), align: 'right' },
  { title: 'LOAD', cell: ({ inFlight, capacity }) => `${inFlight}/${capacity}`, align: 'right' },
]

/** `ready`, or the state with how long it has lasted. */
export function stateText({ state, sinceMs, tries }: RuntimeView): string {
  if (state === 'ready' || state === 'stopped') return state
  return `${state} for ${durationText(sinceMs)}${tries > 1 ? `, ${tries} tries` : ''}`
}

export function statusLines(status: Status, { env, terminal }: Pick<Context, 'env' | 'terminal'>): readonly string[] {
  const upMs = Math.max(0, Date.now() - Date.parse(status.startedAt))
  const facts = [
    status.node.name,
    status.http.url,
    counted(status.models, 'model'),
    durationText(upMs),
    `v${status.version}`,
  ]
  const lines = [`  ${terminal.paint(colourOf(status.state), status.state)} · ${facts.join(' · ')}`]
  lines.push(...meshLines(status), '')
  const width = terminal.width === undefined ? undefined : terminal.width - 2
  if (status.nodes.length > 1)
    lines.push(...tableLines(NODE_COLUMNS, status.nodes, width).map((line) => `  ${line}`), '')
  if (status.runtimes.length > 0)
    lines.push(...tableLines(RUNTIME_COLUMNS, status.runtimes, width).map((line) => `  ${line}`), '')
  return [...lines, ...healthLines(status.health, { env, terminal })]
}

const MESH_STATES = {
  alone: 'connected to nobody',
  joining: 'joining',
  joined: 'joined',
} as const

/** The network and how this node is in it; nothing where there is no mesh. */
function meshLines({ mesh, network, nodes }: Status): readonly string[] {
  if (mesh.state === 'off') return []
  const [address, ...more] = mesh.addresses
  const where = address === undefined ? 'no address' : `${address}${more.length > 0 ? ` and ${more.length} more` : ''}`
  const { direct, circuit } = mesh.peers
  const relayed = circuit > 0 ? `, ${circuit} of them through a relay` : ''
  return [
    `  network  ${printable(network.name)} · ${MESH_STATES[mesh.state]} · ${counted(nodes.length, 'node')}`,
    `  mesh     ${where} · ${counted(direct + circuit, 'peer')}${relayed}`,
  ]
}

/** Counts, then each item with what mends it. */
export function healthLines(
  health: readonly HealthItem[],
  { env, terminal }: Pick<Context, 'env' | 'terminal'>,
): readonly string[] {
  if (health.length === 0) return ['  nothing is wrong']
  const count = (severity: HealthItem['severity']): number => health.filter((item) => item.severity === severity).length
  const counts = [
    [count('error'), 'error', 'errors'],
    [count('warning'), 'warning', 'warnings'],
    [count('info'), 'note', 'notes'],
  ] as const
  const lines = [
    `  ${counts
      .filter(([number]) => number > 0)
      .map(([number, one, many]) => counted(number, one, many))
      .join(', ')}`,
  ]
  for (const { severity, message, fix } of health) {
    lines.push(`  ${markOf(severity, terminal)} ${printable(message)}`)
    if (fix !== null) lines.push(`    try: ${printable(asTyped(fix, env))}`)
  }
  return lines
}

function markOf(severity: HealthItem['severity'], { paint }: Context['terminal']): string {
  switch (severity) {
    case 'error':
      return paint('red', '✗')
    case 'warning':
      return paint('yellow', '!')
    case 'info':
      return paint('dim', '·')
  }
}

function colourOf(state: Status['state']): 'green' | 'yellow' | 'red' {
  if (state === 'running') return 'green'
  return state === 'error' || state === 'stopped' ? 'red' : 'yellow'
}
