/** What the fake node of the HTTP tests says of the network around it. */
import { HeddleError } from '../../src/core/errors.ts'
import type { NodeView } from '../../src/core/wire/admin.ts'
import type { NodeDetail, PeerView } from '../../src/core/wire/admin-mesh.ts'
import type { MeshAdmin } from '../../src/http/admin/deps.ts'

export const NODE: NodeView = {
  id: 'node-2',
  name: 'attic',
  state: 'online',
  reason: '',
  connector: 'mesh',
  account: 'other',
  path: 'direct',
  rttMs: 2.5,
  version: '0.1.0',
  region: null,
  tiers: [],
  models: ['tiny'],
  inFlight: 1,
  capacity: 4,
  lastSeen: '2026-01-01T00:00:00.000Z',
}

const PATH = { kind: 'direct', transport: 'tcp', address: '/ip4/192.168.1.20/tcp/11441' } as const

const PEER: PeerView = { id: NODE.id, name: NODE.name, account: 'other', paths: [PATH], rttMs: 2.5, objection: null }

const DETAIL: NodeDetail = {
  ...NODE,
  schema: 'heddle.node/v1',
  fingerprint: 'ab'.repeat(32),
  accountId: null,
  roles: ['provider'],
  addresses: [PATH.address],
  directUrl: null,
  country: null,
  hardware: null,
  protocol: { least: 1, most: 1 },
  services: [],
  record: null,
  paths: [PATH],
}

/** Notes in `calls` what it is asked to do. */
export function fakeMeshAdmin(calls: string[]): MeshAdmin {
  return {
    nodes: () => ({ schema: 'heddle.nodes/v1', mode: 'node', nodes: [NODE] }),
    node: (which) => {
      if (which === NODE.name || which === NODE.id) return DETAIL
      throw new HeddleError('not_found', `there is no node "${which}"`, { param: 'node' })
    },
    peers: () => ({ schema: 'heddle.peers/v1', peers: [PEER] }),
    connect: async (address) => {
      calls.push(`connect ${address}`)
      return { schema: 'heddle.peer/v1', ...PEER }
    },
    ping: async ({ node, layer }) => {
      calls.push(`ping ${node} ${layer}`)
      const { id, name } = NODE
      return {
        schema: 'heddle.ping/v1',
        node: { id, name },
        layer,
        path: PATH,
        rttMs: 2.5,
        http: null,
        inference: null,
      }
    },
    netcheck: () => ({
      schema: 'heddle.netcheck/v1',
      mode: 'node',
      listen: [],
      addresses: [],
      observed: [],
      mapped: [],
      reachability: 'unknown',
      nat: 'unknown',
      quic: { isOn: false, reason: 'not installed' },
      relays: [],
      relayed: null,
      mdns: true,
      bootstrap: { addresses: 1, failedRounds: 0, reason: '' },
      peers: { direct: 1, circuit: 0 },
      transports: { tcp: 1, websocket: 0, quic: 0 },
      clockSkewMs: 12,
      findings: [],
      verdict: 'fine',
    }),
  }
}
