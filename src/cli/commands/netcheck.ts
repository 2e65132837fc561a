/** `heddle netcheck`: how the node is connected, and what to do where it could be better; exit 1 where something is wrong. */
import type { Netcheck } from '../../core/wire/admin-mesh.ts'
import { counted, durationText } from '../amounts.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { factLines } from '../facts.ts'
import { healthLines } from '../node-report.ts'
import { printable } from '../terminal.ts'

export async function netcheck(context: Context): Promise<ExitCode> {
  const { terminal, signal } = context
  const node = await context.node()
  const document = await node.document<Netcheck>('/api/v1/netcheck', 'heddle.netcheck/v1', { signal })
  if (context.json) context.document(document)
  else {
    const isOff = document.findings.some(({ code }) => code === 'mesh_off')
    const facts = isOff ? [] : factsOf(document)
    for (const line of factLines(facts)) terminal.line(line)
    terminal.line(`${facts.length === 0 ? '' : '\n'}  ${printable(document.verdict)}`)
    terminal.line()
    for (const line of healthLines(document.findings, context)) terminal.line(line)
  }
  return document.findings.some(({ severity }) => severity === 'error') ? EXIT.failed : EXIT.ok
}

const REACHABILITY = {
  public: 'nodes elsewhere can dial this one',
  private: 'nodes elsewhere cannot dial this one',
  unknown: 'not known yet',
} as const
const NAT = {
  none: 'none: peers see this node at an address of its own',
  present: 'yes: peers see this node at an address that is not its own',
  unknown: 'not known yet',
} as const

function factsOf(net: Netcheck): readonly (readonly [string, string | null])[] {
  const { bootstrap, peers, transports, quic, mdns, clockSkewMs } = net
  return [
    ['mode', net.mode],
    ...net.listen.map((address) => ['listens on', address] as const),
    ...net.addresses.map((address) => ['others are told', address] as const),
    ['reachable', REACHABILITY[net.reachability]],
    ['NAT', NAT[net.nat]],
    ...net.observed.map((address) => ['seen at', address] as const),
    ['port mapping', net.mapped.join(', ') || 'none'],
    ['QUIC', quic.isOn ? 'on' : `off: ${quic.reason}`],
    ['relays', net.relays.map(({ id, name }) => name ?? id).join(', ') || 'none'],
    ['relays for', net.relayed === null ? null : counted(net.relayed, 'node')],
    ['LAN discovery', mdns ? 'on' : 'off'],
    ['bootstrap', bootstrapText(bootstrap)],
    ['peers', `${peers.direct} direct, ${peers.circuit} through a relay`],
    ['carried by', `${transports.tcp} tcp, ${transports.websocket} websocket, ${transports.quic} quic`],
    ['clock', clockSkewMs === null ? 'not compared yet' : skewText(clockSkewMs)],
  ]
}

function bootstrapText({ addresses, failedRounds, reason }: Netcheck['bootstrap']): string {
  if (failedRounds > 0) return `no answer after ${counted(failedRounds, 'round')}${reason === '' ? '' : `: ${reason}`}`
  return addresses === 0 ? 'none needed' : `${counted(addresses, 'address', 'addresses')}, answered`
}

/** Positive where the peers are ahead. */
function skewText(ms: number): string {
  const size = durationText(Math.abs(ms))
  return ms === 0
    ? 'as those of the peers'
    : ms > 0
      ? `${size} behind those of the peers`
      : `${size} ahead of those of the peers`
}
