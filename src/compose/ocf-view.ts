/** The network as OCF's node table shows it, from the registry and what this node sees of its peers. */
import type { NodeId } from '../core/ids.ts'
import type { NodeDescription, NodeRole, NodeService, ServiceLoad } from '../core/registry/node-record.ts'
import type { RegistryEntry } from '../core/registry/registry-table.ts'
import { identityGroupsOf } from '../core/routing/identity-groups.ts'
import type { OcfAddressInfo, OcfPeer, OcfPeerStatus, OcfService, OcfTable } from '../core/wire/ocf.ts'
import type { OcfView } from '../http/ocf/deps.ts'
import type { Membership } from '../membership/membership.ts'
import type { Clock } from '../ports/clock.ts'
import type { Connections } from '../ports/gossip.ts'
import type { PeerStreams } from '../ports/peer-streams.ts'

/** What a Peer of the table is made from. */
type Described = Pick<NodeDescription, 'roles' | 'addresses' | 'hardware' | 'version' | 'services'>

export interface OcfViewDeps {
  readonly clock: Clock
  readonly self: NodeId
  /** Addresses under which newcomers reach this node. */
  readonly publicAddresses: readonly string[]
  /** This node, whether or not it has a mesh. */
  readonly own: () => Described
  /** Undefined while the mesh is not open. */
  readonly mesh: () => SeenMesh | undefined
}

/** What the table is made from of a mesh. */
export interface SeenMesh {
  readonly membership: {
    readonly registry: Pick<Membership['registry'], 'table'>
    readonly liveness: Pick<Membership['liveness'], 'isUsable'>
  }
  readonly connections: Pick<Connections, 'peers'>
  readonly paths: PeerStreams['paths']
}

interface Sight {
  readonly peer: NodeId
  readonly lastSeenMs: number
  readonly isConnected: boolean
  readonly loads: readonly ServiceLoad[]
}

/** OpenTela's words for what a node is there for. */
const ROLES: Readonly<Record<NodeRole, string>> = {
  provider: 'worker',
  gateway: 'head',
  relay: 'relay',
  bootstrap: 'relay',
}
const MIB = 1024 * 1024

export function ocfViewOf(deps: OcfViewDeps): OcfView {
  const { self, publicAddresses, mesh } = deps
  const entries = (): readonly RegistryEntry[] =>
    (mesh()?.membership.registry.table.all() ?? []).filter(({ record }) => record.peer !== self)
  return {
    self,
    isPublic: publicAddresses.length > 0,
    table: () => tableOf(deps, entries()),
    peers: () =>
      mesh()
        ?.connections.peers()
        .map((peer) => addressesOf(deps, peer)) ?? [],
    peersStatus: () => {
      const known = new Set([...entries().map(({ record }) => record.peer), ...(mesh()?.connections.peers() ?? [])])
      return [...known].map((peer) => statusOf(deps, peer))
    },
    bootstraps: () => [
      ...publicAddresses.map((address) => withPeer(address, self)),
      ...entries()
        .filter((entry) => entry.record.roles.includes('bootstrap') && isReached(deps, entry))
        .flatMap(({ record }) => record.addresses.map((address) => withPeer(address, record.peer))),
    ],
    knows: (peer) => peer === self || mesh()?.membership.registry.table.get(peer) !== undefined,
  }
}

/** As OCF's own table: only those that can be asked now. */
function tableOf(deps: OcfViewDeps, entries: readonly RegistryEntry[]): OcfTable {
  const { clock, self, publicAddresses } = deps
  const now = clock.now()
  const own = deps.own()
  const roles: readonly NodeRole[] = publicAddresses.length > 0 ? [...own.roles, 'bootstrap'] : own.roles
  const addresses = [...publicAddresses, ...own.addresses]
  const loads = own.services.map(({ load }) => load)
  const table: Record<string, OcfPeer> = {
    [`/${self}`]: peerOf({ ...own, roles, addresses }, { peer: self, lastSeenMs: now, isConnected: true, loads }),
  }
  for (const entry of entries) {
    if (!isReached(deps, entry)) continue
    const { record, loads: heard } = entry
    const lastSeenMs = now - Math.max(0, clock.monotonic() - entry.heardAt)
    table[`/${record.peer}`] = peerOf(record, { peer: record.peer, lastSeenMs, isConnected: true, loads: heard })
  }
  return table
}

function isReached({ mesh }: OcfViewDeps, { record, status }: RegistryEntry): boolean {
  return status === 'live' && mesh()?.membership.liveness.isUsable(record.peer) === true
}

function peerOf(described: Described, { peer, lastSeenMs, isConnected, loads }: Sight): OcfPeer {
  const { roles, hardware, version, services, addresses } = described
  return {
    id: peer,
    latency: 0,
    privileged: false,
    owner: '',
    current_offering: null,
    available_offering: null,
    role: [...new Set(roles.map((role) => ROLES[role]))],
    status: '',
    service: servicesOf(services),
    last_seen: Math.floor(lastSeenMs / 1_000),
    version,
    public_address: roles.includes('bootstrap') ? hostOf(addresses[0]) : '',
    hardware: {
      gpus: (hardware?.accelerators ?? []).map(({ name, memoryBytes }) => ({
        name,
        total_memory: Math.round(memoryBytes / MIB),
        used_memory: 0,
      })),
      host_memory: Math.round((hardware?.memoryBytes ?? 0) / MIB),
      host_memory_bandwidth: 0,
      host_memory_used: 0,
    },
    connected: isConnected,
    load: loads.map(({ inFlight }) => inFlight),
  }
}

/** One entry a name, as OCF wants it. Where a service listens is its node's own business. */
function servicesOf(services: readonly NodeService[]): OcfService[] {
  return [...Map.groupBy(services, ({ name }) => name)].map(([name, instances]) => {
    const ready = instances.filter(({ state }) => state === 'ready')
    const groups = ready.flatMap((each) => [...identityGroupsOf(each.offers), ...each.groups])
    const status = ready.length > 0 ? 'connected' : (instances[0]?.state ?? 'stopped')
    return { name, hardware: '', status, host: 'localhost', port: '', identity_group: [...new Set(groups)] }
  })
}

function addressesOf({ mesh }: OcfViewDeps, peer: NodeId): OcfAddressInfo {
  const parts = mesh()
  const listed = parts?.membership.registry.table.get(peer)?.record.addresses ?? []
  const used = parts?.paths(peer).map(({ address }) => address) ?? []
  return { ID: peer, Addrs: [...new Set([...used, ...listed])] }
}

function statusOf({ mesh }: OcfViewDeps, peer: NodeId): OcfPeerStatus {
  const [best] = mesh()?.paths(peer) ?? []
  const connectedness = best === undefined ? 'NotConnected' : best.kind === 'circuit' ? 'Limited' : 'Connected'
  return { id: peer, connectedness }
}

/** The IP address or host name with which a multiaddr begins. */
function hostOf(address: string | undefined): string {
  return address?.split('/')[2] ?? ''
}

function withPeer(address: string, peer: NodeId): string {
  return address.includes('/p2p/') ? address : `${address.replace(/\/+$/, '')}/p2p/${peer}`
}
