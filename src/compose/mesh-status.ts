/** The mesh's part of a node's status, and its numbers for the metrics. */
import type { MeshCounts } from '../adapters/system/mesh-gauges.ts'
import type { Status } from '../core/wire/admin.ts'
import type { MeshMode } from '../core/wire/admin-mesh.ts'
import type { MeshParts } from './mesh-parts.ts'

export function meshStatus(mode: MeshMode, mesh: MeshParts | undefined): Status['mesh'] {
  if (mesh === undefined) return { addresses: [], mode, state: 'off', peers: { direct: 0, circuit: 0 } }
  const { membership, netFacts } = mesh
  return {
    addresses: [...netFacts().announcedAddresses],
    mode,
    state: membership.view().state,
    peers: peerCounts(mesh),
  }
}

/** Connected peers by the best way to them. */
export function peerCounts({ connections, paths }: MeshParts): Status['mesh']['peers'] {
  const peers = connections.peers()
  const circuit = peers.filter((peer) => paths(peer)[0]?.kind === 'circuit').length
  return { direct: peers.length - circuit, circuit }
}

/** The mesh in numbers, for the metrics. */
export function meshCounts(mesh: MeshParts): MeshCounts {
  const { table } = mesh.membership.registry
  const { gossip, bootstrap, clockSkewMs } = mesh.membership.view()
  return {
    peers: peerCounts(mesh),
    nodes: { live: table.live, stale: table.size - table.live },
    gossip,
    failedBootstrapRounds: bootstrap.failedRounds,
    clockSkewMs,
  }
}
