/** Nodes and peers as the admin API shows them: what their records say, and what this node sees of them. */
import { hash } from 'node:crypto'
import { readDeviceCertificate } from '../core/identity/device-certificate.ts'
import type { NodeId } from '../core/ids.ts'
import type { NodeRecord } from '../core/registry/node-record.ts'
import type { NamedNode } from '../core/registry/pick-node.ts'
import type { RegistryEntry } from '../core/registry/registry-table.ts'
import type { ModelOffer } from '../core/routing/candidate.ts'
import type { NodeView } from '../core/wire/admin.ts'
import type { NodeDetail, NodeServiceView, PeerView } from '../core/wire/admin-mesh.ts'
import type { MeshParts } from './mesh-parts.ts'

const LLM = 'llm'

/** A node of the table under the names by which people mean it. */
export interface ListedNode extends NamedNode {
  readonly entry: RegistryEntry
}

export function listedNodes({ membership }: Pick<MeshParts, 'membership'>): readonly ListedNode[] {
  return membership.registry.table.all().map((entry) => ({
    entry,
    id: entry.record.peer,
    name: entry.record.name,
    fingerprint: () => fingerprintOf(entry.record),
  }))
}

/** Every other node, by name. */
export function otherNodes(mesh: MeshParts): readonly NodeView[] {
  const { registry, self } = mesh.membership
  return registry.table
    .all()
    .filter(({ record }) => record.peer !== self)
    .map((entry) => nodeView(mesh, entry))
    .sort((a, b) => (a.name === b.name ? 0 : a.name < b.name ? -1 : 1))
}

function nodeView(mesh: MeshParts, entry: RegistryEntry): NodeView {
  const { record, loads } = entry
  const { clock, membership, paths } = mesh
  const rttMs = membership.liveness.view(record.peer).rttMs
  const ready = record.services.filter(({ name, state }) => name === LLM && state === 'ready')
  return {
    id: record.peer,
    name: record.name,
    ...stateOf(mesh, entry),
    connector: 'mesh',
    account: mesh.trustOf(record) === 'self' ? 'self' : 'other',
    path: paths(record.peer)[0]?.kind ?? null,
    rttMs: rttMs === undefined ? null : roundedMs(rttMs),
    version: record.version,
    region: record.region?.name ?? null,
    tiers: [...record.tiers],
    models: [...new Set(ready.flatMap(({ offers }) => offers.map(({ id }) => id)))].sort(),
    inFlight: loads.reduce((sum, { inFlight }) => sum + inFlight, 0),
    capacity: record.services.reduce((sum, { capacity }) => sum + capacity, 0),
    lastSeen: new Date(lastSeenOf(entry, clock)).toISOString(),
  }
}

/** Of a node that is only remembered, its last word that is known; when that came is not. */
function lastSeenOf({ record, status, heardAt }: RegistryEntry, clock: MeshParts['clock']): number {
  if (status === 'stale') return record.signedAt
  return clock.now() - Math.max(0, clock.monotonic() - heardAt)
}

/** What this node sees goes before what the other says of itself. */
function stateOf({ membership }: MeshParts, { record, status }: RegistryEntry): Pick<NodeView, 'state' | 'reason'> {
  if (status === 'stale') return { state: 'offline', reason: 'not heard of since this node started' }
  const { state, reason: said } = membership.liveness.view(record.peer)
  const reason = said.replaceAll(record.peer, 'it')
  if (state === 'down') return { state: 'offline', reason }
  if (state === 'suspect') return { state: 'degraded', reason }
  const states = record.services.filter(({ name }) => name === LLM).map((service) => service.state)
  if (states.length === 0 || states.includes('ready')) return { state: 'online', reason: '' }
  if (states.includes('starting')) return { state: 'starting', reason: 'its runtimes are starting' }
  return { state: 'degraded', reason: `its node says ${[...new Set(states)].join(', ')}` }
}

/** `self` is this node's own view of itself where the entry is its own. */
export function nodeDetail(mesh: MeshParts, entry: RegistryEntry, self: NodeView): NodeDetail {
  const { record } = entry
  const isSelf = record.peer === mesh.membership.self
  const leaseLeftMs = Math.max(0, entry.leaseEndsAt - mesh.clock.monotonic())
  return {
    ...(isSelf ? self : nodeView(mesh, entry)),
    schema: 'heddle.node/v1',
    fingerprint: fingerprintOf(record),
    accountId: accountIdOf(record) ?? null,
    roles: [...record.roles],
    addresses: [...record.addresses],
    directUrl: record.directUrl ?? null,
    country: record.country ?? null,
    hardware:
      record.hardware === undefined
        ? null
        : { ...record.hardware, accelerators: record.hardware.accelerators.map((each) => ({ ...each })) },
    protocol: { ...record.protocol },
    services: servicesOf(entry),
    record: {
      incarnation: record.incarnation,
      seq: record.seq,
      signedAt: new Date(record.signedAt).toISOString(),
      leaseMs: record.leaseMs,
      leaseLeftMs: Number.isFinite(leaseLeftMs) ? Math.round(leaseLeftMs) : null,
    },
    paths: mesh.paths(record.peer).map((path) => ({ ...path })),
  }
}

function servicesOf({ record, loads }: RegistryEntry): NodeServiceView[] {
  return record.services.map(({ name, runtime, state, groups, offers, capacity }, index) => ({
    name,
    runtime,
    state,
    groups: [...groups],
    models: offers.map(offerView),
    inFlight: loads[index]?.inFlight ?? 0,
    queued: loads[index]?.queued ?? 0,
    capacity,
  }))
}

export function offerView(offer: ModelOffer): NodeServiceView['models'][number] {
  return {
    id: offer.id,
    contextTokens: offer.contextTokens ?? null,
    quantisation: offer.quantisation ?? null,
    parameters: offer.parameters ?? null,
    sizeBytes: offer.sizeBytes ?? null,
    digest: offer.digest ?? null,
  }
}

export function peerView(mesh: MeshParts, peer: NodeId): PeerView {
  const record = mesh.membership.registry.table.get(peer)?.record
  const rttMs = mesh.membership.liveness.view(peer).rttMs
  return {
    id: peer,
    name: record?.name ?? null,
    account: record === undefined ? null : mesh.trustOf(record) === 'self' ? 'self' : 'other',
    paths: mesh.paths(peer).map((path) => ({ ...path })),
    rttMs: rttMs === undefined ? null : roundedMs(rttMs),
    objection: mesh.membership.objectionToPeer(peer) ?? null,
  }
}

/** Hundredths are as fine as a clock that others share can tell. */
export function roundedMs(ms: number): number {
  return Math.round(ms * 100) / 100
}

function fingerprintOf({ publicKey }: Pick<NodeRecord, 'publicKey'>): string {
  return hash('sha256', publicKey)
}

/** Records are admitted with good certificates only, so reading it is enough. */
function accountIdOf({ certificate }: NodeRecord): string | undefined {
  const read = readDeviceCertificate(certificate)
  return read.kind === 'ok' ? read.value.certificate.account : undefined
}
