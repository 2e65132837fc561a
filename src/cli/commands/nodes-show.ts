/** `heddle nodes show`: all that a node says of itself, and what is seen of it from here. */
import type { NodeDetail, NodeServiceView } from '../../core/wire/admin-mesh.ts'
import { bytesText, counted, durationText, parametersText } from '../amounts.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { factLines } from '../facts.ts'
import { heardText, nodeStateText, pathText } from '../node-text.ts'

type Fact = readonly [name: string, value: string | null]

export async function nodesShow(context: Context, which: string): Promise<ExitCode> {
  const { signal } = context
  const node = await context.node()
  const path = `/api/v1/nodes/${encodeURIComponent(which)}`
  const detail = await node.document<NodeDetail>(path, 'heddle.node/v1', { signal })
  if (context.json) context.document(detail)
  else for (const line of factLines(factsOf(detail))) context.terminal.line(line)
  return EXIT.ok
}

function factsOf(node: NodeDetail): readonly Fact[] {
  const { hardware, record, protocol } = node
  return [
    ['node', node.name],
    ['id', node.id],
    ['fingerprint', node.fingerprint],
    ['account', `${node.accountId ?? 'unknown'}${node.account === 'self' ? ' (yours)' : ''}`],
    ['state', nodeStateText(node)],
    ['heard', node.connector === 'local' ? null : heardText(node)],
    ['version', node.version],
    ['protocol', protocol === null ? null : `${protocol.least} to ${protocol.most}`],
    ['roles', node.roles.join(', ') || null],
    ['region', node.region],
    ['country', node.country],
    ['tiers', node.tiers.join(', ') || null],
    ['hardware', hardware === null ? null : hardwareText(hardware)],
    ['load', `${node.inFlight} of ${node.capacity}`],
    ...node.paths.map((path): Fact => ['path', pathText(path)]),
    ...node.addresses.map((address): Fact => ['address', address]),
    ['url', node.directUrl],
    ...node.services.flatMap(serviceFacts),
    ['record', record === null ? null : `${record.seq} of ${record.incarnation}, signed ${record.signedAt}`],
    ['lease', record === null || record.leaseLeftMs === null ? null : `${durationText(record.leaseLeftMs)} left`],
  ]
}

function hardwareText({ cores, memoryBytes, accelerators }: NonNullable<NodeDetail['hardware']>): string {
  const cards = accelerators.map((each) => `${each.name} ${bytesText(each.memoryBytes)}`)
  return [counted(cores, 'core'), bytesText(memoryBytes), ...cards].join(' · ')
}

function serviceFacts({ name, runtime, state, models, groups, inFlight, queued, capacity }: NodeServiceView): Fact[] {
  const load = `${inFlight} of ${capacity}${queued > 0 ? `, ${queued} waiting` : ''}`
  const facts: Fact[] = [['service', `${name} (${runtime}) · ${state} · ${load}`]]
  if (groups.length > 0) facts.push(['', groups.join(', ')])
  for (const model of models) {
    const parts = [
      model.id,
      model.quantisation,
      model.parameters === null ? null : parametersText(model.parameters),
      model.contextTokens === null ? null : `${model.contextTokens} tokens`,
      model.sizeBytes === null ? null : bytesText(model.sizeBytes),
    ]
    facts.push(['', parts.filter((part) => part !== null).join(' · ')])
  }
  return facts
}
