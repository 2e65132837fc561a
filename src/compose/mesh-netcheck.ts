/** How this node is connected, with a sentence for each thing that could be better. */
import type { NetFacts } from '../adapters/libp2p/net-facts.ts'
import { asNodeId } from '../core/ids.ts'
import type { HealthItem } from '../core/wire/admin.ts'
import type { MeshMode, Netcheck } from '../core/wire/admin-mesh.ts'
import { meshHealth, spanText } from './mesh-health.ts'
import type { MeshParts } from './mesh-parts.ts'
import { peerCounts } from './mesh-status.ts'

/** A shorter difference is the time that the answer took. */
const NOTABLE_SKEW_MS = 2_000

export function netcheckOf(mesh: MeshParts): Netcheck {
  const { membership, mode } = mesh
  const facts = mesh.netFacts()
  const { bootstrap, clockSkewMs } = membership.view()
  const peers = peerCounts(mesh)
  const findings = [
    ...meshHealth(mesh).map(beyondNetcheck),
    ...pathFindings(facts, mode, peers),
    ...skewNote(clockSkewMs),
  ]
  return {
    schema: 'heddle.netcheck/v1',
    mode,
    listen: [...facts.listenAddresses],
    addresses: [...facts.announcedAddresses],
    observed: [...facts.observedAddresses],
    mapped: [...facts.mappedAddresses],
    reachability: facts.reachability,
    nat: natOf(facts),
    quic: { isOn: facts.quicOff === undefined, reason: facts.quicOff ?? '' },
    relays: facts.relays.map((id) => ({ id, name: membership.registry.table.get(asNodeId(id))?.record.name ?? null })),
    relayed: facts.relayedNodes ?? null,
    mdns: facts.mdns,
    bootstrap: { ...bootstrap },
    peers,
    transports: transportsOf(facts),
    clockSkewMs: clockSkewMs ?? null,
    findings,
    verdict: verdictOf(facts, mode, peers),
  }
}

/** The same document where there is no mesh. */
export function netcheckWithout(mode: MeshMode, fix: string): Netcheck {
  const isOff = mode === 'standalone'
  const verdict = isOff
    ? 'the mesh is off (mode standalone): this node serves only what runs here, to those who reach its API'
    : 'the mesh is not open yet'
  return {
    schema: 'heddle.netcheck/v1',
    mode,
    listen: [],
    addresses: [],
    observed: [],
    mapped: [],
    reachability: 'unknown',
    nat: 'unknown',
    quic: { isOn: false, reason: verdict },
    relays: [],
    relayed: null,
    mdns: false,
    bootstrap: { addresses: 0, failedRounds: 0, reason: '' },
    peers: { direct: 0, circuit: 0 },
    transports: { tcp: 0, websocket: 0, quic: 0 },
    clockSkewMs: null,
    findings: [{ code: 'mesh_off', severity: 'info', message: verdict, fix: isOff ? fix : null }],
    verdict,
  }
}

/** Whoever reads this has typed that command already. */
function beyondNetcheck(item: HealthItem): HealthItem {
  return item.fix === 'heddle netcheck' ? { ...item, fix: 'heddle peers connect <multiaddr>' } : item
}

/** Peers see this node at an address; whether it is one of its own says whether something stands between. */
function natOf({ observedAddresses, listenAddresses }: NetFacts): Netcheck['nat'] {
  const observed = observedAddresses.flatMap((address) => hostOf(address) ?? [])
  if (observed.length === 0) return 'unknown'
  const own = new Set(listenAddresses.flatMap((address) => hostOf(address) ?? []))
  return observed.some((host) => own.has(host)) ? 'none' : 'present'
}

/** `192.0.2.7` of `/ip4/192.0.2.7/tcp/11441`. */
function hostOf(address: string): string | undefined {
  return /^\/ip[46]\/([^/]+)/.exec(address)?.[1]
}

function transportsOf({ connections: { tcp, websocket, quic } }: NetFacts): Netcheck['transports'] {
  return { tcp, websocket, quic }
}

function pathFindings(facts: NetFacts, mode: MeshMode, peers: Netcheck['peers']): readonly HealthItem[] {
  const items: HealthItem[] = []
  if (facts.listenAddresses.length === 0)
    items.push({
      code: 'not_listening',
      severity: 'error',
      message: 'the mesh listens on no address, so nobody can dial this node',
      fix: 'heddle config get mesh.listen',
    })
  if (mode === 'node' && facts.reachability === 'private' && facts.relays.length === 0)
    items.push({
      code: 'not_reachable',
      severity: 'warning',
      message: `nodes outside this network cannot dial this one, and no relay has a place for it: it uses their models, and they cannot use its own`,
      fix: 'heddle config set mesh.public_addr /ip4/<public address>/tcp/<forwarded port>',
    })
  if (peers.circuit > 0)
    items.push({
      code: 'circuits',
      severity: 'info',
      message: `${peers.circuit === 1 ? '1 peer is' : `${peers.circuit} peers are`} reached through a relay; answers take longer than over a direct path`,
      fix: null,
    })
  if (mode === 'node' && facts.quicOff !== undefined)
    items.push({ code: 'no_quic', severity: 'info', message: `no QUIC: ${facts.quicOff}`, fix: null })
  return items
}

/** Within the tolerance, and yet worth a word. */
function skewNote(clockSkewMs: number | undefined): readonly HealthItem[] {
  if (clockSkewMs === undefined || Math.abs(clockSkewMs) < NOTABLE_SKEW_MS) return []
  const side = clockSkewMs > 0 ? 'behind' : 'ahead of'
  const message = `the clock is ${spanText(Math.abs(clockSkewMs))} ${side} those of the peers`
  return [{ code: 'clock_skew', severity: 'info', message, fix: null }]
}

function verdictOf({ reachability, relays }: NetFacts, mode: MeshMode, peers: Netcheck['peers']): string {
  const connected = peers.direct + peers.circuit
  const alone = connected === 0 ? 'no other node is connected; ' : ''
  if (mode === 'local') return `${alone}nodes of this machine can reach this one`
  switch (reachability) {
    case 'public':
      return `${alone}nodes anywhere can reach this one directly`
    case 'private':
      return relays.length > 0
        ? `${alone}nodes elsewhere reach this one through a relay, or directly where a hole can be punched`
        : `${alone}nodes of this LAN can reach this one, nodes elsewhere cannot`
    case 'unknown':
      return `${alone}whether nodes elsewhere can reach this one is not known yet`
  }
}
