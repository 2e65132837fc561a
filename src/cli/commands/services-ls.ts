/** `heddle services ls`: the services of this node, and those that other nodes offer. */
import type { ServiceInstanceView, ServiceList, ServiceView } from '../../core/wire/admin-services.ts'
import { asTyped } from '../command-name.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { type Column, tableLines } from '../table.ts'

const SHOWN_GROUPS = 3

interface Row {
  readonly service: string
  readonly instance: string
  readonly node: string
  readonly state: string
  readonly load: string
  readonly groups: string
  readonly at: string
  readonly reason: string
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'SERVICE', cell: ({ service }) => service },
  { title: 'INSTANCE', cell: ({ instance }) => instance, shrinks: true },
  { title: 'NODE', cell: ({ node }) => node, shrinks: true },
  { title: 'STATE', cell: ({ state }) => state },
  { title: 'LOAD', cell: ({ load }) => load, align: 'right' },
  { title: 'GROUPS', cell: ({ groups }) => groups, shrinks: true },
  { title: 'AT', cell: ({ at }) => at, shrinks: true },
  { title: 'REASON', cell: ({ reason }) => reason, shrinks: true },
]

export async function servicesLs(context: Context): Promise<ExitCode> {
  const node = await context.node()
  const document = await node.document<ServiceList>('/api/v1/services', 'heddle.services/v1', {
    signal: context.signal,
  })
  const { terminal } = context
  if (context.json) {
    context.document(document)
    return EXIT.ok
  }
  const rows = [...document.services.map(ownRow), ...document.others.map(otherRow)]
  if (rows.length === 0)
    terminal.note(asTyped('there is no service; try: heddle services add <name> <url>', context.env))
  else {
    const columns = rows.some(({ reason }) => reason !== '') ? COLUMNS : COLUMNS.slice(0, -1)
    for (const line of tableLines(columns, rows, terminal.width)) terminal.line(line)
  }
  if (document.omitted > 0) terminal.note(`and ${document.omitted} more on other nodes; --json has no more either`)
  return EXIT.ok
}

function ownRow({ name, instance, state, inFlight, capacity, groups, url, reason }: ServiceView): Row {
  const load = `${inFlight}/${capacity}`
  return { service: name, instance, node: 'this node', state, load, groups: groupsText(groups), at: url, reason }
}

function otherRow({
  service,
  instance,
  nodeName,
  state,
  inFlight,
  capacity,
  groups,
  reason,
}: ServiceInstanceView): Row {
  const load = `${inFlight}/${capacity}`
  return { service, instance, node: nodeName, state, load, groups: groupsText(groups), at: '', reason }
}

function groupsText(groups: readonly string[]): string {
  const shown = groups.slice(0, SHOWN_GROUPS).join(' ')
  return groups.length > SHOWN_GROUPS ? `${shown} +${groups.length - SHOWN_GROUPS}` : shown
}
